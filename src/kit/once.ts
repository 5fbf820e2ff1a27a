/** Something that is done once, by whichever thread comes first, while the others wait for it. */
import { deadline, requireCell, sleepWhile, type SharedWords } from "./cell.ts";
import { Misuse, Timeout } from "./errors.ts";

const NEW = 0;
const RUNNING = 1;
const DONE = 2;

/** Each thread makes its own `Once` over the same word. */
export class Once {
  readonly #cells: SharedWords;
  readonly #index: number;
  #running = false;

  /** @param index which word of `cells`; it must be zero when the first thread comes */
  constructor(cells: SharedWords, index = 0) {
    requireCell("once", cells, index);
    this.#cells = cells;
    this.#index = index;
  }

  /** Whether it has been done: all that `action` wrote is visible then. */
  get done(): boolean {
    return Atomics.load(this.#cells, this.#index) === DONE;
  }

  /**
   * Runs `action` unless it was done before; returns whether this call ran it. When `action` throws, it counts as not
   * done, and the next to come, or one of those waiting, tries again.
   * @param limitMicros how long to wait for another thread that is running it
   * @throws {Timeout} when that thread does not finish
   * @throws {Misuse} when called from within `action`; and whatever `action` throws
   */
  run(action: () => void, limitMicros = 1_000_000): boolean {
    if (this.#running) throw new Misuse("once: called from within its own action");
    const end = deadline(limitMicros);
    for (;;) {
      const was = Atomics.compareExchange(this.#cells, this.#index, NEW, RUNNING);
      if (was === DONE) return false;
      if (was === NEW) {
        this.#perform(action);
        return true;
      }
      if (!sleepWhile(this.#cells, this.#index, RUNNING, end) && performance.now() >= end)
        throw new Timeout({
          what: "something that another thread does once",
          waitedMicros: limitMicros,
          hint: "The thread that does it is stuck or was terminated. Restart it.",
        });
    }
  }

  #perform(action: () => void): void {
    let outcome = NEW;
    this.#running = true;
    try {
      action();
      outcome = DONE;
    } finally {
      this.#running = false;
      Atomics.store(this.#cells, this.#index, outcome);
      Atomics.notify(this.#cells, this.#index);
    }
  }
}
