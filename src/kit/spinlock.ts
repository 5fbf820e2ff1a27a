/**
 * A lock on shared memory whose waiters spin.
 *
 * For sections of well under a microsecond, such as an indirect register access, between threads that run at the same
 * time. `acquire` and `release` allocate nothing; `hold` returns a guard for `using`.
 */
import { deadline, requireCell, type SharedWords } from "./cell.ts";
import { Misuse, Timeout } from "./errors.ts";

const FREE = 0;
const HELD = 1;

/** Looks at the lock between two looks at the time. */
const SPINS_PER_LOOK = 64;

/** Invariant: between `acquire` and `release` no other object over the same word is. */
export class SpinLock {
  readonly #cells: SharedWords;
  readonly #index: number;
  #mine = false;

  /** @param index which word of `cells`; it must be zero when the first thread comes */
  constructor(cells: SharedWords, index = 0) {
    requireCell("spin lock", cells, index);
    this.#cells = cells;
    this.#index = index;
  }

  /**
   * Spins until the lock is free, for at most `limitMicros`.
   * @throws {Timeout} when whoever holds it does not let go
   * @throws {Misuse} when this object already holds it: it would wait for itself
   */
  acquire(limitMicros = 10_000): void {
    if (this.#mine) throw new Misuse("a spin lock was acquired by the thread that holds it", "Release it first.");
    if (Atomics.compareExchange(this.#cells, this.#index, FREE, HELD) !== FREE) this.#spin(limitMicros);
    this.#mine = true;
  }

  /** @throws {Misuse} unless this object holds the lock */
  release(): void {
    if (!this.#mine) throw new Misuse("a spin lock was released that was not held");
    this.#mine = false;
    Atomics.store(this.#cells, this.#index, FREE);
  }

  /** `using guard = lock.hold()` acquires, and releases at the end of the block. Do not release in between. */
  hold(limitMicros?: number): Disposable {
    this.acquire(limitMicros);
    return { [Symbol.dispose]: () => this.release() };
  }

  #spin(limitMicros: number): void {
    const end = deadline(limitMicros);
    for (let spins = 1; ; spins++) {
      // Plain looks keep the cache line shared; only a free lock is worth a write.
      if (
        Atomics.load(this.#cells, this.#index) === FREE &&
        Atomics.compareExchange(this.#cells, this.#index, FREE, HELD) === FREE
      )
        return;
      Atomics.pause();
      if (spins % SPINS_PER_LOOK === 0 && performance.now() >= end)
        throw new Timeout({
          what: "a spin lock",
          waitedMicros: limitMicros,
          hint: "The thread that holds it is stuck, was terminated, or shares its core with this one.",
        });
    }
  }
}
