/** Time is injected: real where hardware runs, virtual where tests run. All times are microseconds. */
import { Timeout } from "./errors.ts";

/** A source of time that can also be waited on. */
export interface Clock {
  /** Microseconds since an arbitrary start; never goes back. */
  now(): number;
  /** Blocks the calling thread for at least `micros`. For hardware settle times, not for long sleeps. */
  delay(micros: number): void;
}

/**
 * Waits until `condition` holds, looking every `stepMicros`, for at most `limitMicros`. The last look is after the last
 * wait, so a condition that comes true in time is never missed.
 */
export const until = (clock: Clock, limitMicros: number, stepMicros: number, condition: () => boolean): boolean => {
  const end = clock.now() + limitMicros;
  while (!condition()) {
    if (clock.now() >= end) return condition();
    clock.delay(stepMicros);
  }
  return true;
};

/** As `until`, but throws `Timeout` naming what did not come. */
export const expect = (
  clock: Clock,
  what: string,
  limitMicros: number,
  stepMicros: number,
  condition: () => boolean,
): void => {
  if (!until(clock, limitMicros, stepMicros, condition)) throw new Timeout({ what, waitedMicros: limitMicros });
};

/** Things to be done later, kept in order of time. Device models keep their pending work here. */
export class Timers {
  readonly #due: { at: number; run: () => void }[] = [];

  /** Runs `run` once the time is `at` or later. Returns a function that cancels it. */
  schedule(at: number, run: () => void): () => void {
    const entry = { at, run };
    let i = this.#due.length;
    while (i > 0 && this.#due[i - 1]!.at > at) i--;
    this.#due.splice(i, 0, entry);
    return () => {
      const at = this.#due.indexOf(entry);
      if (at >= 0) this.#due.splice(at, 1);
    };
  }

  /** When the next entry is due; `Infinity` when there is none. */
  get next(): number {
    return this.#due[0]?.at ?? Infinity;
  }

  /** Runs, in order, what is due at `now`. What they schedule for `now` or earlier runs as well. */
  run(now: number): void {
    while (this.#due.length > 0 && this.#due[0]!.at <= now) this.#due.shift()!.run();
  }
}

/** The machine's clock. `delay` blocks the thread, so it belongs in a data-plane thread or at bring-up. */
export class RealClock implements Clock {
  readonly #cell = new Int32Array(new SharedArrayBuffer(4));
  now(): number {
    return performance.now() * 1000;
  }
  delay(micros: number): void {
    const end = performance.now() + micros / 1000;
    // Atomics.wait costs some 60 µs to come back; shorter waits spin.
    if (micros >= 200) Atomics.wait(this.#cell, 0, 0, micros / 1000);
    while (performance.now() < end);
  }
}

/** A clock that stands still until someone waits; then time jumps from one timer to the next. Deterministic. */
export class VirtualClock implements Clock {
  readonly timers = new Timers();
  #now = 0;
  now(): number {
    return this.#now;
  }
  delay(micros: number): void {
    const end = this.#now + micros;
    while (this.timers.next <= end) {
      this.#now = Math.max(this.#now, this.timers.next);
      this.timers.run(this.#now);
    }
    this.#now = end;
  }
}
