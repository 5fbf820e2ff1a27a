/**
 * Derives start-up values from runs of one driver. Registers of unknown content read as different values in each run.
 */
import type { Chip } from "#chip/chips.ts";
import type { Word } from "#chip/steps.ts";
import { type Operation, type Phase, phasesOf } from "./operations.ts";
import { type Place, samePlace } from "./side-buses.ts";
import type { Traces } from "./unknown-registers.ts";
import { hex, placeText, wordOf } from "./words.ts";

/** A change that occurs in every run. */
export interface Change {
  readonly place: Place;
  /** The bits that were written: fewer than all if the byte enables select only some bytes. */
  readonly mask: number;
  readonly word: Word;
}

export interface Derived {
  readonly changes: readonly Change[];
  /** Places where the runs differ, because the operation depends on a value that was read. */
  readonly findings: readonly string[];
}

/** The longest common subsequence of operations on the same registers, as indices into each run. */
const common = (a: readonly Operation[], b: readonly Operation[]): readonly (readonly [number, number])[] => {
  const like = (i: number, j: number): boolean =>
    samePlace(a[i]!.place, b[j]!.place) && (a[i]!.was === undefined) === (b[j]!.was === undefined);
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      lengths[i]![j] = like(i, j) ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
  const pairs: [number, number][] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (like(i, j)) pairs.push([i++, j++]);
    else if (lengths[i + 1]![j]! >= lengths[i]![j + 1]!) i++;
    else j++;
  }
  return pairs;
};

const operationText = ({ place, was, now }: Operation): string =>
  `${placeText(place)}: ${was === undefined ? "" : `reads ${hex(was)}`}${now === undefined ? "" : ` writes ${hex(now)}`}`;

/** Whether both changes store the same value in the same register of the PHY's first page. */
const isSame = (a: Change, b: Change): boolean =>
  a.place.space === "phy" &&
  a.place.page === 0 &&
  samePlace(a.place, b.place) &&
  a.word.length === 2 &&
  a.word.join() === b.word.join();

/**
 * Removes repetitions of a store or of a pair of stores, which occur because a driver wakes the PHY before each use.
 */
const withoutRepeats = (changes: readonly Change[]): readonly Change[] => {
  const once: Change[] = [];
  for (const change of changes) {
    once.push(change);
    for (const length of [1, 2]) {
      const [before, last] = [once.slice(-2 * length, -length), once.slice(-length)];
      if (before.length === length && before.every((each, i) => isSame(each, last[i]!))) once.splice(-length);
    }
  }
  return once;
};

/** @param runs the operations of each run, by the run's name */
const derive = (runs: Readonly<Record<string, readonly Operation[]>>): Derived => {
  const [first = [], ...others] = Object.values(runs);
  // For each common operation, its index in each run.
  let rows: readonly (readonly number[])[] = first.map((_, i) => [i]);
  for (const run of others) {
    const shared = rows.map(([i]) => first[i!]!);
    rows = common(shared, run).map(([i, j]) => [...rows[i]!, j]);
  }
  const changes: Change[] = [];
  const findings = Object.entries(runs).flatMap(([name, run], k) => {
    const shared = new Set(rows.map((row) => row[k]));
    return run.flatMap((each, i) => (shared.has(i) ? [] : [`only with ${name}: ${operationText(each)}`]));
  });
  for (const row of rows) {
    const operations = Object.values(runs).map((run, k) => run[row[k]!]!);
    const word = wordOf(operations);
    const { place, mask } = operations[0]!;
    if (typeof word === "string") findings.push(`${placeText(place)} ${word}`);
    else if (word !== undefined) changes.push({ place, mask, word });
  }
  return { changes: withoutRepeats(changes), findings };
};

/** @throws {Error} if a trace contains no complete start */
export const derivedFrom = ({ profile }: Chip, traces: Traces, phase: Phase): Derived =>
  derive(
    Object.fromEntries(
      Object.entries(traces).map(([fill, lines]) => [fill, phasesOf(lines, profile.phyAccess)[phase]]),
    ),
  );
