/** `ferrule --version`: this program, its chip table, and the Node that runs it. */
import { CHIPS, PCI_IDS } from "#chip/chips.ts";
import { version } from "../manifest.ts";

const different = (values: readonly string[]): number => new Set(values).size;

export const versionLines = (): readonly string[] => [
  `ferrule ${version()}`,
  `chips: ${different(CHIPS.map(({ key }) => key))} of ${different(CHIPS.map(({ die }) => die))} dies, found by ${PCI_IDS.length} PCI identities (\`ferrule model chips\`)`,
  `Node ${process.versions.node}, ${process.platform} ${process.arch}`,
];
