/**
 * The register contents of a model, read without side effects. Used to compare the states in which drivers leave a
 * chip.
 */

/** Values by address (`0xa436`) or by the register's name. A missing address has the value 0. */
export type Words = Readonly<Record<string, number>>;

/**
 * The register spaces of the family. Clause 22 registers are at `0x100 * page + register` in PHYs with pages, and at
 * OCP addresses in OCP PHYs; clause 45 registers at `0x10000 * device + register`.
 */
export const SPACES = [
  "registers",
  "config",
  "macOcp",
  "macProgram",
  "eri",
  "ephy",
  "phy",
  "phyExtension",
  "phyMemory",
  "clause45",
  "serdes",
  "management",
] as const;
export type Space = (typeof SPACES)[number];

export type ModelState = Readonly<Record<Space, Words>>;

const same = (index: number): number => index;

export const addressKey = (address: number): string => `0x${address.toString(16)}`;

/** The values that are not 0, unsigned. @param addressOf returns the address of the value with that index */
export const wordsOf = (values: ArrayLike<number>, addressOf: (index: number) => number = same): Words => {
  const words: Record<string, number> = {};
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) words[addressKey(addressOf(i))] = values[i]! >>> 0;
  return words;
};
