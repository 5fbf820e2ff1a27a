/** Limits on restarting a NIC that fails: a budget, a delay that grows, and an end. */
import type { Clock } from "#kit/clock.ts";
import { FerruleError } from "#kit/errors.ts";

/** Delay before each restart. The length of the list is the number of restarts before the NIC is given up. */
export const RESTART_DELAYS_MICROS: readonly number[] = [0, 10_000, 100_000, 500_000, 1_000_000];
/** A NIC that has run for this long without a failure has its full budget again. */
export const STEADY_MICROS = 10_000_000;

/** The NIC kept failing: every restart in the budget has been used. */
export class NicGivenUp extends FerruleError {
  readonly code = "NIC_GIVEN_UP";
  readonly hint =
    "Look for IOMMU faults and PCIe errors in the kernel log (`sudo dmesg | grep -iE 'DMAR|AMD-Vi|AER'`), then power-cycle the card.";
  /** Unsuccessful restarts. */
  readonly restarts: number;
  constructor(fields: { restarts: number; micros: number; reason: string }) {
    super(
      `the NIC failed again after ${fields.restarts} restarts in ${(fields.micros / 1e6).toFixed(1)} s: ${fields.reason}`,
    );
    this.restarts = fields.restarts;
  }
}

/** Counts restarts, and determines when the next one is due. */
export class RestartBudget {
  /** Restarts since the start. */
  restarts = 0;
  readonly #clock: Clock;
  /** Consecutive failures, none of them followed by `STEADY_MICROS` without failure. */
  #failures = 0;
  /** Time of the first of them, and time of the NIC's last start. */
  #since = 0;
  #started = -Infinity;
  /** When the next restart is due; undefined if none is. */
  #due: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The next failure would be the first of a new row. */
  get full(): boolean {
    return this.#failures === 0 || this.#clock.now() - this.#started >= STEADY_MICROS;
  }

  /**
   * The NIC has failed; a restart becomes due after a delay. A failure of the restart itself counts as another one.
   * @returns the number of the restart, from 1 on @throws {NicGivenUp} if the budget is exhausted
   */
  fail(reason: string): number {
    const now = this.#clock.now();
    if (this.full) {
      this.#failures = 0;
      this.#since = now;
    }
    const delay = RESTART_DELAYS_MICROS[this.#failures];
    if (delay === undefined) throw new NicGivenUp({ restarts: this.#failures, micros: now - this.#since, reason });
    this.#due = now + delay;
    return ++this.#failures;
  }

  /** Whether the restart is due. */
  get due(): boolean {
    return this.#due !== undefined && this.#clock.now() >= this.#due;
  }

  /** A restart begins. */
  begin(): void {
    this.#due = undefined;
    this.#started = this.#clock.now();
    this.restarts++;
  }
}
