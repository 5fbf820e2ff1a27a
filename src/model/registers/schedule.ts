/** The model's view of time: now, and after so many microseconds. */
import type { Timers } from "#kit/clock.ts";

export interface Schedule {
  /** Microseconds. */
  now(): number;
  /** Runs `run` after `micros`, at once when that is 0. Returns a function that cancels it. */
  after(micros: number, run: () => void): () => void;
}

const nothing = (): void => {};

export const scheduleOn = (clock: { now(): number }, timers: Timers): Schedule => ({
  now: () => clock.now(),
  after: (micros, run) => {
    if (micros > 0) return timers.schedule(clock.now() + micros, run);
    run();
    return nothing;
  },
});
