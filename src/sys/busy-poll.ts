/** Busy polling before sleeping: waking a sleeping thread takes long and also costs the waker time. */
import { libc } from "./libc.ts";
import type { Poller } from "./poll.ts";

/** Longest duration of busy polling in one wait, in microseconds. */
const MAX_MICROS = 200;
const MIN_MICROS = 10;

/**
 * Waits on a poller. After a short wait, the next wait first polls repeatedly for a while, and yields to other threads
 * that want the processor. Each long wait halves this time, finally to 0, so an idle device costs nothing.
 *
 * On a virtual machine it takes 20 to 40 µs to wake a thread that sleeps on an idle processor, and 10 µs of the waker's
 * time. For a served NIC, the waker is the guest's processor. Without yielding, everything would be slower if there are
 * fewer processors than threads.
 */
export class BusyPoll {
  readonly #poller: Pick<Poller, "wait">;
  readonly #clock: { now(): number };
  #micros = 0;

  constructor(poller: Pick<Poller, "wait">, clock: { now(): number }) {
    this.#poller = poller;
    this.#clock = clock;
  }

  /** Maximum duration of busy polling in the next wait, in microseconds. */
  get micros(): number {
    return this.#micros;
  }

  /** As `Poller.wait`, but may take up to `MAX_MICROS` longer than `limitMillis`. @throws {SystemError} */
  wait(limitMillis: number): number {
    if (limitMillis === 0) return this.#poller.wait(0);
    const start = this.#clock.now();
    let ready = this.#watch(start + Math.min(this.#micros, limitMillis < 0 ? Infinity : limitMillis * 1000));
    if (ready === 0) ready = this.#poller.wait(limitMillis);
    if (this.#clock.now() - start <= MAX_MICROS) this.#micros = MAX_MICROS;
    else this.#micros = this.#micros < 2 * MIN_MICROS ? 0 : this.#micros >> 1;
    return ready;
  }

  #watch(end: number): number {
    while (this.#clock.now() < end) {
      const ready = this.#poller.wait(0);
      if (ready > 0) return ready;
      // SAFETY: there is no argument. The call cannot fail on Linux.
      libc.sched_yield();
    }
    return 0;
  }
}
