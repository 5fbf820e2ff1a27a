/** Output files of a command: makes their paths absolute, checks that they differ, and decides where messages go. */
import { resolve } from "node:path";
import { isStandardOutput, STANDARD_OUTPUT } from "#sys/output-file.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { WrongUsage } from "../terminal/usage.ts";

/**
 * Makes the path absolute, so that a change of directory has no effect on it. Standard output has several names; for
 * each of them this returns STANDARD_OUTPUT.
 */
export const outputPath = (typed: string): string => (isStandardOutput(typed) ? STANDARD_OUTPUT : resolve(typed));

/**
 * The terminal for a command with these outputs: if one of them goes to standard output, messages go to standard error.
 * @throws {WrongUsage} if two outputs go to the same file, or if one goes to standard output and that is a terminal
 */
export const terminalFor = (terminal: Terminal, outputs: readonly (string | undefined)[]): Terminal => {
  const named = outputs.filter((path) => path !== undefined).map(outputPath);
  const twice = named.find((path, i) => named.indexOf(path) !== i);
  if (twice !== undefined)
    throw new WrongUsage(
      `two outputs go to ${twice === STANDARD_OUTPUT ? "standard output" : twice}`,
      "Use a separate file for each.",
    );
  if (!named.includes(STANDARD_OUTPUT)) return terminal;
  if (terminal.out.isTerminal)
    throw new WrongUsage("standard output is a terminal", "Pipe it to its reader: … --capture - | wireshark -k -i -");
  return { ...terminal, out: terminal.err };
};
