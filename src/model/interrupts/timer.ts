/** The free-running timers and their interrupt. */
import type { Chip } from "#chip/chips.ts";
import { Config2, Intr, TimerCount, TimerInt } from "#chip/registers.ts";
import { TCTR1, TCTR2, TCTR3, TIMER_INT1, TIMER_INT2, TIMER_INT3 } from "#chip/registers-8125.ts";
import type { Effects } from "../registers/effects.ts";
import type { InterruptBlock } from "./interrupts.ts";
import type { Page } from "../registers/page.ts";
import type { Schedule } from "../registers/schedule.ts";

/** PCI Express chips count at 125 MHz (RTL8168C register table, TCTR), PCI chips at the bus clock. */
const TICKS_PER_MICRO = 125;
const PCI_TICKS_PER_MICRO = [33, 66] as const;
const PCI_66MHZ = 1 << 0;
const WRAP = 2 ** 32;

export interface TimerParts {
  readonly chip: Chip;
  readonly page: Page;
  readonly schedule: Schedule;
  readonly interrupts: InterruptBlock;
}

/**
 * A timer counts up from the last write to its counter, and raises Intr.timer when the count reaches the threshold,
 * unless the threshold is 0.
 */
class Timer {
  readonly #page: Page;
  readonly #schedule: Schedule;
  readonly #count: number;
  readonly #threshold: number;
  readonly #ticksPerMicro: () => number;
  readonly #expire: () => void;
  #start = 0;
  #cancel: (() => void) | undefined;

  /**
   * @param count offset of the counter
   * @param threshold offset of the threshold
   */
  constructor({ chip, page, schedule, interrupts }: TimerParts, count: number, threshold: number) {
    this.#page = page;
    this.#schedule = schedule;
    this.#count = count;
    this.#threshold = threshold;
    this.#ticksPerMicro =
      chip.bus === "pcie"
        ? () => TICKS_PER_MICRO
        : () => PCI_TICKS_PER_MICRO[(page.get(Config2, 1) & PCI_66MHZ) === 0 ? 0 : 1];
    this.#start = schedule.now();
    this.#expire = () => {
      this.arm();
      interrupts.raise(Intr.timer);
    };
  }

  /** Puts the current count into the page. */
  refresh(): void {
    this.#page.put(this.#count, 4, Math.floor(this.#ticks(this.#schedule.now())));
  }

  restart(): void {
    this.#start = this.#schedule.now();
    this.arm(this.#start);
  }

  /**
   * Called when the threshold or the count was written. A threshold below the count is reached after the count has
   * wrapped. The clock is read only once, because the count could pass the threshold unnoticed if the thread were
   * delayed between two readings.
   */
  arm(now = this.#schedule.now()): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const threshold = this.#page.get(this.#threshold, 4);
    if (threshold === 0) return;
    // If the count is at the threshold, within the precision of the clock, the next interrupt comes after a whole round
    // of the counter.
    const left = threshold - this.#ticks(now);
    const ticks = left > 0.5 ? left : left + WRAP;
    this.#cancel = this.#schedule.after(ticks / this.#ticksPerMicro(), this.#expire);
  }

  #ticks(now: number): number {
    return ((now - this.#start) * this.#ticksPerMicro()) % WRAP;
  }
}

/**
 * One timer, or four from the RTL8125 on. Drivers set the thresholds of timers 2 to 4 only to 0; these timers are
 * assumed to raise the same event as the first.
 */
export class TimerBlock {
  readonly effects: Pick<Effects, "timerRead" | "timerRestart" | "timerThreshold">;
  readonly #timers: readonly Timer[];

  constructor(parts: TimerParts) {
    const at = new Map<number, Timer>();
    const add = (count: number, threshold: number): Timer => {
      const timer = new Timer(parts, count, threshold);
      at.set(count, timer).set(threshold, timer);
      return timer;
    };
    const first = add(TimerCount, TimerInt);
    this.#timers =
      parts.chip.profile.timers === 4
        ? [first, add(TCTR1, TIMER_INT1), add(TCTR2, TIMER_INT2), add(TCTR3, TIMER_INT3)]
        : [first];
    this.effects = {
      timerRead: (_value, _lanes, offset) => at.get(offset)?.refresh(),
      timerRestart: (_value, _lanes, offset) => at.get(offset)?.restart(),
      timerThreshold: (_value, _lanes, offset) => at.get(offset)?.arm(),
    };
  }

  /** Called when the registers were reset. */
  reset(): void {
    for (const timer of this.#timers) timer.arm();
  }

  powerOn(): void {
    for (const timer of this.#timers) timer.restart();
  }
}
