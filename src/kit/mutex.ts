/**
 * A lock on shared memory whose waiters sleep.
 *
 * For the control plane: settings, link state, tables. Each thread makes its own `Mutex` over the same word. The word's
 * third state, "someone may sleep", spares the wake-up call when nobody does (Drepper, "Futexes Are Tricky", 2011).
 */
import { deadline, requireCell, sleepWhile, type SharedWords } from "./cell.ts";
import { Misuse, Timeout } from "./errors.ts";

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

/** Proof that a lock is held. `using guard = lock.acquire()` releases it at the end of the block. */
export interface Guard extends Disposable {
  /** Releases before the end of the block. @throws {Misuse} the second time. */
  release(): void;
}

/** Invariant: of all guards over one word, at most one is unreleased. */
export class Mutex {
  readonly #cells: SharedWords;
  readonly #index: number;
  #mine = false;

  /** @param index which word of `cells`; it must be zero when the first thread comes */
  constructor(cells: SharedWords, index = 0) {
    requireCell("mutex", cells, index);
    this.#cells = cells;
    this.#index = index;
  }

  /** A guard when the lock is free now, else undefined. Never sleeps. */
  tryAcquire(): Guard | undefined {
    if (Atomics.compareExchange(this.#cells, this.#index, FREE, HELD) !== FREE) return undefined;
    return this.#guard();
  }

  /**
   * Sleeps until the lock is free, for at most `limitMicros`. Not for a browser's main thread, which may not sleep.
   * @throws {Timeout} when whoever holds it does not let go
   * @throws {Misuse} when this object already holds it: it would wait for itself
   */
  acquire(limitMicros = 1_000_000): Guard {
    if (this.#mine) throw new Misuse("a mutex was acquired by the thread that holds it", "Release the guard first.");
    const end = deadline(limitMicros);
    if (Atomics.compareExchange(this.#cells, this.#index, FREE, HELD) === FREE) return this.#guard();
    // Taking it as CONTENDED may cost one needless wake-up later; taking it as HELD could strand another sleeper.
    while (Atomics.exchange(this.#cells, this.#index, CONTENDED) !== FREE) {
      if (!sleepWhile(this.#cells, this.#index, CONTENDED, end) && performance.now() >= end)
        throw new Timeout({
          what: "a mutex",
          waitedMicros: limitMicros,
          hint: "The thread that holds it is stuck or was terminated. Restart both.",
        });
    }
    return this.#guard();
  }

  #guard(): Guard {
    this.#mine = true;
    let held = true;
    const dispose = (): void => {
      if (!held) return;
      held = false;
      this.#free();
    };
    return {
      release: () => {
        if (!held) throw new Misuse("a mutex guard was released twice");
        dispose();
      },
      [Symbol.dispose]: dispose,
    };
  }

  #free(): void {
    this.#mine = false;
    const was = Atomics.exchange(this.#cells, this.#index, FREE);
    if (was === FREE) throw new Misuse("a mutex was free when its holder released it: its word was overwritten");
    if (was === CONTENDED) Atomics.notify(this.#cells, this.#index, 1);
  }
}
