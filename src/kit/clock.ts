/**
 * Clocks and timers. Code takes its clock as a parameter: a `RealClock` for hardware, a `VirtualClock` in most tests.
 * All times are microseconds.
 */
import { Misuse, OutOfRange, Timeout } from "./errors.ts";

/** A source of time that can also be waited on. */
export interface Clock {
  /** Microseconds since an arbitrary start; never goes back. */
  now(): number;
  /**
   * Returns once at least `micros` have passed. A real clock blocks the calling thread, so use this for settle times of
   * hardware, not for long waits.
   */
  delay(micros: number): void;
}

/**
 * Checks `condition` every `stepMicros` until it holds or `limitMicros` have passed. Returns whether it holds. The last
 * step may end after the limit. The last check follows the last step, so a condition that becomes true in time, and
 * stays true, is never missed.
 * @throws {OutOfRange} if the limit is negative or not finite, or the step is not above 0
 */
export const until = (clock: Clock, limitMicros: number, stepMicros: number, condition: () => boolean): boolean => {
  if (!(limitMicros >= 0 && limitMicros < Infinity && stepMicros > 0))
    throw new OutOfRange(`cannot wait for ${limitMicros} µs in steps of ${stepMicros} µs`);
  const end = clock.now() + limitMicros;
  while (!condition()) {
    if (clock.now() >= end) return condition();
    clock.delay(stepMicros);
  }
  return true;
};

/**
 * Like `until`, but throws if the condition does not hold in time. `what` names the condition in the error.
 * @throws {Timeout} if the condition does not hold in time
 * @throws {OutOfRange} as `until` does
 */
export const expect = (
  clock: Clock,
  what: string,
  limitMicros: number,
  stepMicros: number,
  condition: () => boolean,
): void => {
  if (!until(clock, limitMicros, stepMicros, condition)) throw new Timeout({ what, waitedMicros: limitMicros });
};

/**
 * Largest number of entries that one call of `run` executes. If there are more, a timer is assumed to reschedule itself
 * endlessly for the same time.
 */
const MAX_AT_ONCE = 1_000_000;

/** Functions to be called later, in order of time. Device models keep their pending work here. */
export class Timers {
  readonly #due: { at: number; run: () => void }[] = [];

  /**
   * Schedules `run`: the first call of `Timers.run` for time `at` or later calls it. Returns a function that cancels
   * it.
   * @throws {OutOfRange} if `at` is NaN
   */
  schedule(at: number, run: () => void): () => void {
    if (Number.isNaN(at)) throw new OutOfRange("a timer cannot be set for the time NaN");
    const entry = { at, run };
    let i = this.#due.length;
    while (i > 0 && this.#due[i - 1]!.at > at) i--;
    this.#due.splice(i, 0, entry);
    return () => {
      const place = this.#due.indexOf(entry);
      if (place >= 0) this.#due.splice(place, 1);
    };
  }

  /** Time of the next entry; `Infinity` if there is none. */
  get next(): number {
    return this.#due[0]?.at ?? Infinity;
  }

  /**
   * Runs the entries that are due at `now`, in order, including those that they schedule for `now` or earlier.
   * @throws {Misuse} if there are more than a million of them
   */
  run(now: number): void {
    for (let ran = 0; this.next <= now; ran++) {
      if (ran === MAX_AT_ONCE) throw new Misuse(`${ran} timers ran at ${now} µs and more are due`);
      this.#due.shift()!.run();
    }
  }
}

/** The machine's clock. `delay` blocks the thread, so call it only in a data-plane thread or at bring-up. */
export class RealClock implements Clock {
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  now(): number {
    return performance.now() * 1000;
  }
  delay(micros: number): void {
    const end = performance.now() + micros / 1000;
    // A short wait only spins in the loop, because Atomics.wait needs some 60 µs to return.
    if (micros >= 200) Atomics.wait(this.#cell, 0, 0, micros / 1000);
    while (performance.now() < end);
  }
}

/** A deterministic clock. Its time changes only during `delay`, and then jumps from timer to timer. */
export class VirtualClock implements Clock {
  readonly timers = new Timers();
  #now = 0;
  now(): number {
    return this.#now;
  }
  /** @throws {OutOfRange} if `micros` is negative, because time never goes back, or not finite */
  delay(micros: number): void {
    if (!(micros >= 0 && micros < Infinity)) throw new OutOfRange(`a delay cannot last ${micros} µs`);
    const end = this.#now + micros;
    while (this.timers.next <= end) {
      this.#now = Math.max(this.#now, this.timers.next);
      this.timers.run(this.#now);
    }
    // A timer's function may itself have waited until after `end`.
    this.#now = Math.max(this.#now, end);
  }
}
