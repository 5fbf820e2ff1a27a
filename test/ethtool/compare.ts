/** Two outputs of ethtool line by line, and the reason for each line that only one of them has. */
import type { ChipKey } from "#chip/chips.ts";
import type { CommandOutput } from "./recording.ts";

export interface Difference {
  readonly chip: ChipKey;
  readonly command: string;
  readonly side: "linux" | "ours";
  readonly line: string;
}

export interface Reason {
  /** The beginnings of the commands whose output differs for this reason. */
  readonly commands: readonly string[];
  /** Matches the lines that only Linux has; if omitted, Linux has no such line. */
  readonly linux?: RegExp;
  /** Matches the lines that only our driver has; if omitted, our driver has no such line. */
  readonly ours?: RegExp;
  /** The chips to which the reason applies; if omitted, all. */
  readonly chips?: readonly ChipKey[];
  readonly because: string;
}

const textOf = ({ exit, out, err }: CommandOutput): readonly string[] =>
  [...out, ...err.map((line) => `! ${line}`), `= ${exit}`].map((line) => line.trimEnd());

/** For each pair of line numbers, the length of the longest common subsequence of the lines from these numbers on. */
const lengths = (a: readonly string[], b: readonly string[]): readonly number[][] => {
  const table = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      table[i]![j] = a[i] === b[j] ? table[i + 1]![j + 1]! + 1 : Math.max(table[i + 1]![j]!, table[i]![j + 1]!);
  return table;
};

/**
 * The lines that only one of the two outputs has. If both print the same lines in different orders, some lines of each
 * count as differences.
 */
export const compare = (chip: ChipKey, linux: CommandOutput, ours: CommandOutput): readonly Difference[] => {
  const [a, b] = [textOf(linux), textOf(ours)];
  const table = lengths(a, b);
  const found: Difference[] = [];
  const differ = (side: Difference["side"], line: string): void =>
    void found.push({ chip, command: linux.command, side, line });
  for (let [i, j] = [0, 0]; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) [i, j] = [i + 1, j + 1];
    else if (i < a.length && (j === b.length || table[i + 1]![j]! >= table[i]![j + 1]!)) differ("linux", a[i++]!);
    else differ("ours", b[j++]!);
  }
  return found;
};

export const explains = (reason: Reason, { chip, command, side, line }: Difference): boolean =>
  reason.commands.some((start) => command.startsWith(start)) &&
  (reason.chips?.includes(chip) ?? true) &&
  reason[side]?.test(line) === true;
