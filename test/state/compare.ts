/** Finds the differences between two drivers on one chip, and the explanation of each. */
import type { Chip } from "#chip/chips.ts";
import { type Cause, CAUSES, type Row } from "./explained.ts";
import { CAUSES_DPDK } from "./explained-dpdk.ts";
import { keyOf, type Moment, type Snapshot, spaceOf } from "./snapshot.ts";

export interface Difference {
  readonly chip: Chip;
  readonly moment: Moment;
  /** Space and address: "macOcp 0xd400". */
  readonly key: string;
  readonly theirs: number;
  readonly ours: number;
}

/** One word of a row: explains a difference at one address, or at any address of a space. */
export interface Rule {
  readonly cause: Cause;
  readonly row: Row;
  readonly key: string;
  /** Our value, within the mask; undefined in a row for a whole space. */
  readonly value: number | undefined;
  readonly mask: number;
}

const ALL_BITS = 0xffff_ffff;
/** All addresses of a space. */
const WHOLE = "*";

/** @throws {Error} for an invalid word */
const ruleOf = (cause: Cause, row: Row, word: string): Rule => {
  if (word === WHOLE) return { cause, row, key: keyOf(row.space, WHOLE), value: undefined, mask: ALL_BITS };
  const [, address, value, mask] = /^([^=]+)=([0-9a-f]+)(?:\/([0-9a-f]+))?$/.exec(word) ?? [];
  if (address === undefined || value === undefined) throw new Error(`"${word}" (${cause.name}) is not a word of a row`);
  return {
    cause,
    row,
    key: keyOf(row.space, address),
    value: Number.parseInt(value, 16),
    mask: mask === undefined ? ALL_BITS : Number.parseInt(mask, 16),
  };
};

export const rulesOf = (causes: readonly Cause[]): readonly Rule[] =>
  causes.flatMap((cause) => cause.rows.flatMap((row) => row.words.split(" ").map((word) => ruleOf(cause, row, word))));

/** The explanations for each driver with whose recordings ours is compared. */
export const SOURCES = { linux: CAUSES, dpdk: CAUSES_DPDK } as const;
export type Source = keyof typeof SOURCES;

export const RULES: Readonly<Record<Source, readonly Rule[]>> = { linux: rulesOf(CAUSES), dpdk: rulesOf(CAUSES_DPDK) };

/** All differences at the moments that the C driver's recording has. */
export const differences = (
  chip: Chip,
  theirs: ReadonlyMap<Moment, Snapshot>,
  ours: ReadonlyMap<Moment, Snapshot>,
): readonly Difference[] =>
  [...theirs].flatMap(([moment, their]) => {
    const our = ours.get(moment)!;
    return [...new Set([...their.keys(), ...our.keys()])].flatMap((key) => {
      const [a, b] = [their.get(key) ?? 0, our.get(key) ?? 0];
      return a === b ? [] : [{ chip, moment, key, theirs: a, ours: b }];
    });
  });

/** Whether the rule explains some bits of the difference. */
const applies = ({ row, key, value, mask }: Rule, { chip, moment, key: at, ours, theirs }: Difference): boolean =>
  (key === at || key === keyOf(spaceOf(at), WHOLE)) &&
  (row.on === undefined || row.on.some((name) => name === chip.key)) &&
  (row.at === undefined || row.at.includes(moment)) &&
  (value === undefined || (ours & mask) >>> 0 === value) &&
  ((ours ^ theirs) & mask) !== 0;

/** The rules that together explain a difference; undefined if they leave a bit unexplained. */
export const explain = (difference: Difference, rules: readonly Rule[]): readonly Rule[] | undefined => {
  const found = rules.filter((rule) => applies(rule, difference));
  const bits = found.reduce((sum, { mask }) => sum | mask, 0);
  return ((difference.ours ^ difference.theirs) & ~bits) === 0 ? found : undefined;
};

export const sentence = ({ chip, moment, key, theirs, ours }: Difference): string =>
  `${chip.key} ${moment}: ${key} is ${ours.toString(16)} under our driver, ${theirs.toString(16)} under the C driver`;
