/** The part of docs/performance.md about `ferrule compare`, from the run in docs/compare.json. `node test/performance-page.ts` writes it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missingPeers } from "#app/compare/figures.ts";
import { command, machineFacts, METHOD, caveats } from "#app/compare/method.ts";
import { readComparison } from "#app/compare/read-comparison.ts";
import { isFigure, type Table, tablesOf } from "#app/compare/tables.ts";

const DOCS = join(import.meta.dirname, "../docs");
export const PAGE = join(DOCS, "performance.md");
const RUN = join(DOCS, "compare.json");

const BEGIN = "<!-- compare: written by node test/performance-page.ts -->\n";
const END = "<!-- end of compare -->\n";

/** Tables that have their own pages. */
const ELSEWHERE: readonly string[] = ["features", "lines", "faults"];
/** Pictures from test/compare-screens.ts, by the table above which they are shown. */
const PICTURES: Readonly<Record<string, string>> = {
  size: "![Throughput by frame size: a line for each driver](compare-throughput.png)",
  latency: "![Distribution of latency: a line for each driver, on logarithmic axes](compare-latency.png)",
};

const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

const tableLines = ({ id, title, note, headings, rows }: Table): readonly string[] => [
  `### ${title}`,
  "",
  note,
  "",
  ...(PICTURES[id] === undefined ? [] : [PICTURES[id], ""]),
  row(headings),
  row(headings.map((_, i) => (rows.every((cells) => isFigure(cells[i]!)) ? "--:" : "---"))),
  ...rows.map(row),
  "",
];

const listed = (heading: string, entries: readonly string[]): readonly string[] =>
  entries.length === 0 ? [] : [heading, "", ...entries.map((entry) => `- ${entry}`), ""];

/** The part between the marks. */
export const comparison = (): string => {
  const found = readComparison(RUN);
  return [
    "## C, Rust and TypeScript on one device",
    "",
    "`ferrule compare` measures this on your machine, and `ferrule compare --html FILE` writes it as a page with plots. The run",
    "shown here is [compare.json](compare.json).",
    "",
    ...listed("With reservations:", caveats(found)),
    ...tablesOf(found)
      .filter(({ id }) => !ELSEWHERE.includes(id))
      .flatMap(tableLines),
    "[features.md](features.md) lists the features of the whole drivers, and [safety.md](safety.md) the known faults of the C driver and what",
    "prevents them in Ferrule. `npm run lines` counts the lines of the drivers.",
    "",
    ...listed(
      "Not measured:",
      missingPeers(found).map(({ name, why, install }) => `${name}: ${why}. \`${install}\``),
    ),
    ...listed("Not covered:", found.notCovered),
    "### How it was measured",
    "",
    ...METHOD.map((text) => `- ${text}`),
    ...found.peers.map(({ name, about }) => `- ${name}: ${about}`),
    "",
    ...machineFacts(found).map(([name, value]) => `- ${name}: ${value}`),
    `- ${command(found)}`,
    "",
  ].join("\n");
};

/** docs/performance.md, with `comparison()` between the marks. */
export const page = (): string => {
  const text = readFileSync(PAGE, "utf8");
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the comparison`);
  return `${text.slice(0, from + BEGIN.length)}\n${comparison()}\n${text.slice(to)}`;
};

if (import.meta.main) writeFileSync(PAGE, page());
