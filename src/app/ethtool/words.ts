/**
 * Parses pairs of words as on ethtool's command line, `rx 128 tx 256`, and checks the same pairs when they arrive from
 * a socket.
 */
import { OutOfRange } from "#kit/errors.ts";
import type { Argument } from "../argument.ts";
import type { Operation } from "../operations.ts";
import { BadLine } from "./flag.ts";

/** The kind of value that follows a word. */
export type WordKind = "number" | "switch" | "text";

const LARGEST = 0xffff_ffff;

const numberOf = (word: string): number => {
  const value = /^(0x[0-9a-f]+|[0-9]+)$/i.test(word) ? Number(word) : Number.NaN;
  if (!(value <= LARGEST)) throw new BadLine();
  return value;
};

const switchOf = (word: string): boolean => {
  if (word !== "on" && word !== "off") throw new BadLine();
  return word === "on";
};

const READ = { number: numberOf, switch: switchOf, text: (word: string) => word } as const;

/**
 * Converts pairs of name and value to an argument.
 * @param kinds the kind of value of each name
 * @throws {BadLine} for an unknown name, a name without a value, or a value of another kind
 */
export const pairs =
  (kinds: Readonly<Record<string, WordKind>>) =>
  (words: readonly string[]): Argument => {
    const argument: Record<string, number | string | boolean> = {};
    for (let i = 0; i < words.length; i += 2) {
      const [name = "", value] = words.slice(i, i + 2);
      const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
      if (kind === undefined || value === undefined) throw new BadLine();
      argument[name] = READ[kind](value);
    }
    return argument;
  };

const isUpTo = (max: number, value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;

/** For each kind of value, its check and its description. */
const VALID = {
  number: [(value) => isUpTo(LARGEST, value), `a whole number from 0 to ${LARGEST}`],
  switch: [(value) => typeof value === "boolean", "true or false"],
  text: [(value) => typeof value === "string", "a text"],
  bytes: [(value) => Array.isArray(value) && value.every((byte) => isUpTo(0xff, byte)), "a list of bytes"],
} as const satisfies Record<string, readonly [(value: unknown) => boolean, string]>;

/**
 * Defines an operation that accepts these values and no others. Each value may be omitted.
 * @throws {OutOfRange} before the operation begins, if a value is invalid
 */
export const taking =
  (kinds: Readonly<Record<string, keyof typeof VALID>>, operation: Operation): Operation =>
  (on, argument) => {
    for (const [name, value] of Object.entries(argument)) {
      const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
      if (kind === undefined)
        throw new OutOfRange(`there is no setting "${name.slice(0, 32)}"`, `Use ${Object.keys(kinds).join(", ")}.`);
      const [isValid, what] = VALID[kind];
      if (!isValid(value)) throw new OutOfRange(`${name} is not ${what}`, `Pass ${what}.`);
    }
    return operation(on, argument);
  };
