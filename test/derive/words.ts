/**
 * Derives what a driver writes to a register (a value, or bits that it sets and clears) from runs in which the register
 * read as different values.
 */
import type { Word } from "#chip/steps.ts";
import type { Operation } from "./operations.ts";
import { isChosen, type Place } from "./side-buses.ts";

export const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

export const placeText = (place: Place): string => {
  const { space, page, address, chosen } = place;
  if (space !== "phy") return `${space} ${hex(address)}`;
  return `PHY page ${page}${isChosen(place) ? ` (${hex(chosen)})` : ""} register ${hex(address)}`;
};

/**
 * The word that explains what each run wrote; undefined if nothing changes. A run without a write after its read counts
 * as writing the value read. @returns a string, with what the runs wrote, if no word explains it
 */
export const wordOf = (runs: readonly Operation[]): Word | undefined | string => {
  const [{ place, mask, was }] = runs as readonly [Operation, ...Operation[]];
  const pairs = runs.map((run) => [(run.was ?? 0) & mask, (run.now ?? run.was ?? 0) & mask] as const);
  const written = pairs.map(([, now]) => now >>> 0);
  // If a register read the same in all runs, some of its bits may have been preserved.
  const stored = was === undefined || pairs.some(([before]) => before !== pairs[0]![0]);
  if (stored && written.every((now) => now === written[0])) return [place.address, written[0]!];
  const set = pairs.reduce((bits, [before, now]) => bits | (now & ~before), 0);
  const cleared = pairs.reduce((bits, [before, now]) => bits | (before & ~now), 0);
  if (set === 0 && cleared === 0) return undefined;
  if (was === undefined || pairs.some(([before, now]) => ((before & ~cleared) | set) !== now))
    return `becomes ${written.map(hex).join(", ")}`;
  return [place.address, cleared >>> 0, set >>> 0];
};
