/** Named counters in shared memory: one thread publishes, any reads, all as of one moment. */
import { SequenceReader, SequenceWriter, sequenceWords } from "#kit/seqlock.ts";

const TWO32 = 2 ** 32;

/** Shared memory for `counters` counters. */
export const statisticsMemory = (counters: number): SharedArrayBuffer =>
  new SharedArrayBuffer(sequenceWords(2 * counters) * 4);

/** The publishing side: set `values`, whole numbers below 2^53, then `publish`. */
export class StatisticsPage {
  readonly values: Float64Array;
  readonly #halves: Int32Array;
  readonly #writer: SequenceWriter;

  constructor(memory: SharedArrayBuffer, counters: number) {
    this.values = new Float64Array(counters);
    this.#halves = new Int32Array(2 * counters);
    this.#writer = new SequenceWriter(new Int32Array(memory), 2 * counters);
  }

  publish(): void {
    for (let i = 0; i < this.values.length; i++) {
      const value = this.values[i]!;
      this.#halves[2 * i] = value | 0;
      this.#halves[2 * i + 1] = (value / TWO32) | 0;
    }
    this.#writer.publish(this.#halves);
  }
}

/** The reading side. */
export class StatisticsReader<Name extends string> {
  readonly #names: readonly Name[];
  readonly #halves: Int32Array;
  readonly #reader: SequenceReader;

  constructor(memory: SharedArrayBuffer, names: readonly Name[]) {
    this.#names = names;
    this.#halves = new Int32Array(2 * names.length);
    this.#reader = new SequenceReader(new Int32Array(memory), this.#halves.length);
  }

  /** All counters as last published. @throws {Timeout} when the publisher died while publishing */
  read(): Record<Name, number> {
    this.#reader.read(this.#halves);
    const entries = this.#names.map((name, i) => [
      name,
      (this.#halves[2 * i]! >>> 0) + this.#halves[2 * i + 1]! * TWO32,
    ]);
    return Object.fromEntries(entries) as Record<Name, number>;
  }
}
