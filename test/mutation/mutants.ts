/**
 * Mutants: production code with one change that a test should detect. The code is what Node runs: types are
 * replaced by blanks, so that lines and columns are those of the file.
 */

export interface Mutant {
  /** Path from the project's root. */
  readonly file: string;
  /** Line number from 1. */
  readonly line: number;
  readonly before: string;
  readonly after: string;
}

type Change = readonly [pattern: RegExp, replacement: string | ((found: RegExpMatchArray) => string)];

/** Comparisons, logic, arithmetic, constants. Each match is a mutant of its own. */
const CHANGES: readonly Change[] = [
  [/ === /g, " !== "],
  [/ !== /g, " === "],
  [/ < /g, " <= "],
  [/ > /g, " >= "],
  [/ <= /g, " < "],
  [/ >= /g, " > "],
  [/ && /g, " || "],
  [/ \|\| /g, " && "],
  [/ \+ 1\b/g, " + 2"],
  [/ - 1\b/g, " - 0"],
  [/\btrue\b/g, "false"],
  [/\bfalse\b/g, "true"],
  [/ & ~/g, " & "],
  [/ \| /g, " & "],
  [/ >>> /g, " << "],
  [/ \* /g, " + "],
  [/ \+= /g, " -= "],
  [/\b1 << (\d+)/g, ([, shift]) => `1 << ${Number(shift) + 1}`],
  [/\b0x([0-9a-f_]+)\b/g, ([, digits]) => `0x${(BigInt(`0x${digits!.replaceAll("_", "")}`) ^ 1n).toString(16)}`],
];

/** A statement that consists of one call, which the mutant omits. */
const CALL = /^(\s*)[\w#.![\]]+\([^{]*\);$/;
const NO_CODE = /^(\/\/|\*|import)|oxlint|oxfmt/;
/** `MESSAGE` and `FOR_PEOPLE` match lines with messages, which are not changed: no test checks each of their words. */
const MESSAGE = /"|`/;
const FOR_PEOPLE = /throw|message|hint|super\(|because|evidence/;

const isQuoted = (code: string, at: number): boolean => {
  const before = code.slice(0, at);
  return before.split('"').length % 2 === 0 || before.split("`").length % 2 === 0;
};

const changed = (line: string): readonly string[] => {
  const code = line.split(" // ")[0]!;
  if (MESSAGE.test(code) && FOR_PEOPLE.test(code)) return [];
  const results = CHANGES.flatMap(([pattern, replacement]) =>
    [...code.matchAll(pattern)]
      .filter(({ index }) => !isQuoted(code, index))
      .map((found) => {
        const text = typeof replacement === "string" ? replacement : replacement(found);
        return line.slice(0, found.index) + text + line.slice(found.index + found[0].length);
      }),
  );
  const indent = /^\s*(return|super)\b/.test(code) ? undefined : CALL.exec(code)?.[1];
  return indent === undefined ? results : [...results, `${indent};`];
};

/** Every mutant of a file, from its text without types. */
export const mutantsOf = (file: string, text: string): readonly Mutant[] => {
  let comment = false;
  return text.split("\n").flatMap((before, i) => {
    const trimmed = before.trim();
    if (trimmed.startsWith("/*")) comment = true;
    const skipped = comment || trimmed === "" || NO_CODE.test(trimmed);
    if (trimmed.includes("*/")) comment = false;
    return skipped ? [] : changed(before).map((after) => ({ file, line: i + 1, before, after }));
  });
};

/** The text of a file with the mutant in it. */
export const mutated = (text: string, { line, after }: Mutant): string =>
  text
    .split("\n")
    .with(line - 1, after)
    .join("\n");

/** A generator of numbers in [0, 1); the same seed gives the same numbers (mulberry32). */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** `count` different items. */
export const sampleOf = <T>(all: readonly T[], count: number, random: () => number): readonly T[] => {
  const rest = [...all];
  return Array.from(
    { length: Math.min(count, all.length) },
    () => rest.splice(Math.floor(random() * rest.length), 1)[0]!,
  );
};
