/** Named counters in shared memory. One thread publishes them, and every thread can read a consistent snapshot. */
import { CounterReader, counterWords, Counters } from "#kit/statistics.ts";

/** Allocates shared memory for counters with these names. */
export const statisticsMemory = (names: readonly string[]): SharedArrayBuffer =>
  new SharedArrayBuffer(counterWords(names.length) * 4);

/** The side of the thread that publishes. */
export class StatisticsPage<Name extends string> {
  readonly #names: readonly Name[];
  readonly #counters: Counters;

  constructor(memory: SharedArrayBuffer, names: readonly Name[]) {
    this.#names = names;
    this.#counters = new Counters(new Int32Array(memory), names.length);
  }

  /**
   * Publishes these values: integers from 0 to 2^53.
   * @throws {OutOfRange}
   */
  publish(values: Readonly<Record<Name, number>>): void {
    for (const [i, name] of this.#names.entries()) this.#counters.set(i, values[name]);
    this.#counters.publish();
  }
}

/** The side of a thread that reads. */
export class StatisticsReader<Name extends string> {
  readonly #names: readonly Name[];
  readonly #reader: CounterReader;

  constructor(memory: SharedArrayBuffer, names: readonly Name[]) {
    this.#names = names;
    this.#reader = new CounterReader(new Int32Array(memory), names.length);
  }

  /**
   * Reads all counters as they were last published.
   * @throws {Timeout} if the publishing thread died while it published
   */
  read(): Record<Name, number> {
    const values = this.#reader.snapshot();
    return Object.fromEntries(this.#names.map((name, i) => [name, Number(values[i])])) as Record<Name, number>;
  }
}
