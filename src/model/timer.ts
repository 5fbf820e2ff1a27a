/** The free-running timer and its interrupt. */
import { Intr, TimerCount, TimerInt } from "#chip/registers.ts";
import type { InterruptBlock } from "./interrupts.ts";
import type { Page } from "./page.ts";
import type { Schedule } from "./schedule.ts";

/** PCIe chips count a 125 MHz clock (RTL8168C register table, TCTR); the PCI ones count the bus clock. */
const TICKS_PER_MICRO = 125;

/** Counts up from the last write to TimerCount; raises Intr.timer when it comes to TimerInt, unless that is 0. */
export class Timer {
  readonly #page: Page;
  readonly #schedule: Schedule;
  readonly #expire: () => void;
  #start = 0;
  #cancel: (() => void) | undefined;

  constructor(page: Page, schedule: Schedule, interrupts: InterruptBlock) {
    this.#page = page;
    this.#schedule = schedule;
    this.#start = schedule.now();
    this.#expire = () => {
      this.#cancel = undefined;
      interrupts.raise(Intr.timer);
    };
  }

  /** Puts the present count into the page: to be called before TimerCount is read. */
  refresh(): void {
    this.#page.put(TimerCount, 4, Math.floor((this.#schedule.now() - this.#start) * TICKS_PER_MICRO) % 2 ** 32);
  }

  restart(): void {
    this.#start = this.#schedule.now();
    this.arm();
  }

  /** TimerInt was written. A value the count has passed comes round after the count has wrapped. */
  arm(): void {
    this.stop();
    const threshold = this.#page.get(TimerInt, 4);
    if (threshold === 0) return;
    const elapsed = ((this.#schedule.now() - this.#start) * TICKS_PER_MICRO) % 2 ** 32;
    const ticks = threshold > elapsed ? threshold - elapsed : threshold - elapsed + 2 ** 32;
    this.#cancel = this.#schedule.after(ticks / TICKS_PER_MICRO, this.#expire);
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
