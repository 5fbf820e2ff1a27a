/** Waiting without going to sleep at once: a thread that sleeps takes long to wake, and whoever wakes it has to pay as well. */
import { libc } from "./libc.ts";
import type { Poller } from "./poll.ts";

/** The longest that a wait stays awake. */
const MOST_MICROS = 200;
const LEAST_MICROS = 10;

/**
 * Waits on a poller. Where the last wait was short, the next one stays awake for a while and looks again and again, and
 * lets every other thread that wants the processor go first. Where waits are long it sleeps at once, so that a quiet
 * device costs nothing.
 *
 * Waking a sleeping thread on an idle processor takes 20 to 40 µs on a virtual machine, and 10 µs of the waker's time, who
 * is a guest's processor here. Without letting others go first all would be slower wherever there are fewer processors
 * than threads.
 */
export class Vigil {
  readonly #poller: Pick<Poller, "wait">;
  readonly #clock: { now(): number };
  #micros = 0;

  constructor(poller: Pick<Poller, "wait">, clock: { now(): number }) {
    this.#poller = poller;
    this.#clock = clock;
  }

  /** How long the next wait stays awake, in microseconds. */
  get micros(): number {
    return this.#micros;
  }

  /** As `Poller.wait`. @throws {SystemError} */
  wait(limitMillis: number): number {
    if (limitMillis === 0) return this.#poller.wait(0);
    const start = this.#clock.now();
    let ready = this.#watch(start + Math.min(this.#micros, limitMillis < 0 ? Infinity : limitMillis * 1000));
    if (ready === 0) ready = this.#poller.wait(limitMillis);
    if (this.#clock.now() - start <= MOST_MICROS) this.#micros = MOST_MICROS;
    else this.#micros = this.#micros < 2 * LEAST_MICROS ? 0 : this.#micros >> 1;
    return ready;
  }

  #watch(end: number): number {
    while (this.#clock.now() < end) {
      const ready = this.#poller.wait(0);
      if (ready > 0) return ready;
      // SAFETY: no argument is an address. It cannot fail on Linux.
      libc.sched_yield();
    }
    return 0;
  }
}
