/** Time as the model uses it: the current time, and delayed calls. */
import type { Timers } from "#kit/clock.ts";

export interface Schedule {
  /** The time in microseconds. */
  now(): number;
  /** Calls `run` after `micros`, immediately if that is 0. Returns a function that cancels the call. */
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
