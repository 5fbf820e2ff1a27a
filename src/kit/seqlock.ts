/**
 * Sequence lock: one thread publishes a set of words, and others read a consistent copy.
 *
 * The sequence is odd while the writer writes. Both sides use Atomics for the data too, because plain accesses may be
 * reordered around the sequence word on arm64. The writer never waits.
 */
import { OutOfRange, Timeout } from "./errors.ts";

/** The sequence word comes first, and the data follow it. */
const SEQUENCE = 0;
const DATA = 1;

/** Number of words of shared memory for a set of `words` words. */
export const sequenceWords = (words: number): number => DATA + words;

const requireRoom = (cells: Int32Array, words: number): void => {
  if (!Number.isInteger(words) || words < 1 || cells.length < sequenceWords(words))
    throw new OutOfRange(`${cells.length} words of memory are too few for a sequence lock of ${words} words`);
};

/** The only writer. */
export class SequenceWriter {
  readonly #cells: Int32Array;
  readonly #words: number;
  #sequence: number;

  /** Takes over memory from an earlier writer, even one that died while writing. New memory must be zero. */
  constructor(cells: Int32Array, words: number) {
    requireRoom(cells, words);
    this.#cells = cells;
    this.#words = words;
    this.#sequence = Atomics.load(cells, SEQUENCE) & ~1;
  }

  /**
   * Publishes `values` to readers. Does not allocate.
   * @throws {OutOfRange} unless `values` has as many words as the lock covers
   */
  publish(values: Int32Array): void {
    const cells = this.#cells;
    if (values.length !== this.#words)
      throw new OutOfRange(`a sequence lock of ${this.#words} words cannot publish ${values.length}`);
    Atomics.store(cells, SEQUENCE, this.#sequence + 1);
    for (let i = 0; i < this.#words; i++) Atomics.store(cells, DATA + i, values[i]!);
    this.#sequence = (this.#sequence + 2) | 0;
    Atomics.store(cells, SEQUENCE, this.#sequence);
  }
}

/** A reader. There can be any number of readers. */
export class SequenceReader {
  readonly #cells: Int32Array;
  readonly #words: number;

  constructor(cells: Int32Array, words: number) {
    requireRoom(cells, words);
    this.#cells = cells;
    this.#words = words;
  }

  /**
   * Copies a consistent set to `into`. Tries again for up to `limitMicros` if the writer was writing meanwhile.
   * @throws {Timeout} if every attempt fails, for example because the writer died while writing
   * @throws {OutOfRange} if `into` does not have the set's length
   */
  read(into: Int32Array, limitMicros = 100_000): void {
    if (into.length !== this.#words)
      throw new OutOfRange(`a sequence lock of ${this.#words} words cannot be read into ${into.length}`);
    const end = performance.now() + limitMicros / 1000;
    while (!this.#attempt(into)) {
      if (performance.now() >= end)
        throw new Timeout({
          what: "a consistent set of statistics",
          waitedMicros: limitMicros,
          hint: "The thread that writes the statistics stopped while writing. Restart it.",
        });
      Atomics.pause();
    }
  }

  #attempt(into: Int32Array): boolean {
    const before = Atomics.load(this.#cells, SEQUENCE);
    if ((before & 1) !== 0) return false;
    for (let i = 0; i < this.#words; i++) into[i] = Atomics.load(this.#cells, DATA + i);
    return Atomics.load(this.#cells, SEQUENCE) === before;
  }
}
