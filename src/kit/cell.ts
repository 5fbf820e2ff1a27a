/** One word of shared memory: where a lock lives. */
import { OutOfRange } from "./errors.ts";

/** Words shared between threads. */
export type SharedWords = Int32Array<SharedArrayBuffer>;

/** @throws {OutOfRange} unless `index` is a word of `cells` and the memory is shared: on other memory a wait never ends. */
export const requireCell = (what: string, cells: SharedWords, index: number): void => {
  if (!(cells.buffer instanceof SharedArrayBuffer)) throw new OutOfRange(`${what}: its memory is not shared`);
  if (!Number.isInteger(index) || index < 0 || index >= cells.length)
    throw new OutOfRange(`${what}: word ${index} of ${cells.length} words of memory`);
};

/** The time of performance.now() at which a wait of `limitMicros` ends. @throws {OutOfRange} unless it is 0 or more, and finite */
export const deadline = (limitMicros: number): number => {
  if (!(limitMicros >= 0 && limitMicros < Infinity)) throw new OutOfRange(`a wait of ${limitMicros} µs`);
  return performance.now() + limitMicros / 1000;
};

/**
 * Sleeps until `cells[index]` no longer holds `expected`, or someone notifies, or `end` (of performance.now()) has come;
 * false then. Returns early at will: look again.
 */
export const sleepWhile = (cells: SharedWords, index: number, expected: number, end: number): boolean => {
  const left = end - performance.now();
  return left > 0 && Atomics.wait(cells, index, expected, left) !== "timed-out";
};
