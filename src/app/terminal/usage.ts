/** Errors in a command line. */
import { FerruleError } from "#kit/errors.ts";
import { checkInterfaceName, InvalidInterfaceName } from "#sys/interface.ts";

/** Words that request help, in place of a command or after one. */
export const HELP_WORDS: readonly string[] = ["--help", "-h", "help"];

/** The command line is invalid. The command ends with exit code 2. */
export class WrongUsage extends FerruleError {
  readonly code = "WRONG_USAGE";
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** Parses an interface name, which must be one that the kernel accepts and uses unchanged. @throws {WrongUsage} */
export const parseInterfaceName = (name: string): string => {
  try {
    checkInterfaceName(name);
  } catch (error) {
    throw error instanceof InvalidInterfaceName ? new WrongUsage(error.message, error.hint) : error;
  }
  return name;
};

/** Smallest number of edits (insert, delete, replace, swap neighbours) that turn one word into the other. */
const distance = (a: string, b: string): number => {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...Array.from({ length: b.length }, () => 0)]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++)
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = best;
    }
  return rows[a.length]![b.length]!;
};

/** The candidate that was probably intended; undefined if none is similar. */
export const closest = (word: string, candidates: readonly string[]): string | undefined => {
  const limit = word.length <= 3 ? 1 : 2;
  let best: string | undefined;
  let smallest = limit + 1;
  for (const candidate of candidates) {
    const edits = distance(word.slice(0, 64), candidate);
    if (edits < smallest) [best, smallest] = [candidate, edits];
  }
  return best ?? candidates.find((candidate) => word.length >= 2 && candidate.startsWith(word));
};

/** "Did you mean …?" if a candidate is similar, otherwise the fallback. */
export const didYouMean = (word: string, candidates: readonly string[], otherwise: string): string => {
  const near = closest(word, candidates);
  return near === undefined ? otherwise : `Did you mean \`${near}\`? ${otherwise}`;
};
