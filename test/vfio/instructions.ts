/** The commands of share/README.md, for guests. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Packed } from "../guest/cpio.ts";

export const SHARE = join(import.meta.dirname, "../../share");

export const program = (name: string, text: string): Packed => ({
  path: `usr/bin/${name}`,
  bytes: Buffer.from(text),
  executable: true,
});

/** Programs that the instructions use but a guest lacks, and a script in place of the editor. */
export const typedPrograms = (card: string): readonly Packed[] => [
  program("npm", "#!/bin/sh\necho /usr/lib/node_modules\n"),
  program("sudoedit", `#!/bin/sh\nexec sudo sed -i 's/^CARD=.*/CARD=${card}/' "$1"\n`),
];

/** The commands of the instructions for bringing a card up at boot. */
export const bootInstructions = (): readonly string[] => {
  const text = readFileSync(join(SHARE, "README.md"), "utf8");
  const blocks = [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block!);
  const lines = blocks.find((block) => block.includes("systemctl enable"))?.split("\n") ?? [];
  return lines.map((line) => line.replace(/\s+#.*/, "")).filter((line) => line !== "");
};
