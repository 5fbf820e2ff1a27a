/** Writes the generated files of `share`: the manual page, and completions. `npm run share` runs it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "#app/cli/command.ts";
import { commandsFor } from "#app/cli/commands.ts";
import { bashCompletion, zshCompletion } from "./completions.ts";
import { manPage } from "./man-page.ts";

const SHARE = join(import.meta.dirname, "..", "share");

/** The generated files, by path in `share`. */
export const sharedFiles = (commands: readonly Command[]): ReadonlyMap<string, string> =>
  new Map([
    ["man/ferrule.1", manPage(commands)],
    ["completions/ferrule.bash", bashCompletion(commands)],
    ["completions/_ferrule", zshCompletion(commands)],
  ]);

if (import.meta.main)
  for (const [path, text] of sharedFiles(await commandsFor([]))) writeFileSync(join(SHARE, path), text);
