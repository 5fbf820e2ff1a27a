/** Counters of 64 bits. One thread advances them; any thread reads them, as a consistent snapshot. */
import { OutOfRange } from "./errors.ts";
import { SequenceReader, SequenceWriter, sequenceWords } from "./seqlock.ts";

const TWO32 = 2 ** 32;

/** Number of words of shared memory for `counters` counters. */
export const counterWords = (counters: number): number => sequenceWords(2 * counters);

/**
 * The counting side. Counting changes only private memory; `publish` makes all counters visible at once. Call it after
 * a burst or when idle, not for each frame.
 */
export class Counters {
  readonly #writer: SequenceWriter;
  /** Low and high half of each counter: BigInt is too slow here. */
  readonly #halves: Int32Array;

  /** All counters start at zero, whatever the memory contained. */
  constructor(cells: Int32Array, counters: number) {
    this.#writer = new SequenceWriter(cells, 2 * counters);
    this.#halves = new Int32Array(2 * counters);
    this.publish();
  }

  /**
   * Adds `amount`, an integer from 0 to 2^32 - 1.
   * @throws {OutOfRange} for a negative or larger amount, and for a counter that does not exist
   */
  add(counter: number, amount: number): void {
    const before = this.#halves[2 * counter];
    if (before === undefined || !(amount >= 0 && amount < TWO32))
      throw new OutOfRange(`counter ${counter} cannot be advanced by ${amount}`);
    const low = (before >>> 0) + amount;
    this.#halves[2 * counter] = low | 0;
    if (low >= TWO32) this.#halves[2 * counter + 1]!++;
  }

  /** Sets the counter to `value`, an integer from 0 to 2^53 - 1. @throws {OutOfRange} for other values or counters */
  set(counter: number, value: number): void {
    if (!(counter >= 0 && 2 * counter < this.#halves.length) || !Number.isSafeInteger(value) || value < 0)
      throw new OutOfRange(`counter ${counter} cannot become ${value}`);
    this.#halves[2 * counter] = value | 0;
    this.#halves[2 * counter + 1] = (value / TWO32) | 0;
  }

  /** Makes the current values visible to readers. */
  publish(): void {
    this.#writer.publish(this.#halves);
  }
}

/** The reading side. */
export class CounterReader {
  readonly #reader: SequenceReader;
  readonly #halves: Int32Array;
  readonly #values: BigUint64Array;

  constructor(cells: Int32Array, counters: number) {
    this.#reader = new SequenceReader(cells, 2 * counters);
    this.#values = new BigUint64Array(counters);
    this.#halves = new Int32Array(this.#values.buffer);
  }

  /**
   * All counters as last published. The array is overwritten by the next call. `Number(value)` is exact up to 2^53.
   * @throws {Timeout} as `SequenceReader.read`, for example if the writer died while publishing
   */
  snapshot(): BigUint64Array {
    this.#reader.read(this.#halves);
    return this.#values;
  }
}
