/**
 * Limits the restarts of a NIC that fails. The delay before each restart grows, and after a number of restarts the NIC
 * is given up.
 */
import type { Clock } from "#kit/clock.ts";
import { FerruleError } from "#kit/errors.ts";

/** Delay before each restart. The length of the list is the number of restarts before the NIC is given up. */
export const RESTART_DELAYS_MICROS: readonly number[] = [0, 10_000, 100_000, 500_000, 1_000_000];
/** A NIC that has run for this time without a failure gets its full budget again. */
export const STEADY_MICROS = 10_000_000;

/** The NIC kept failing: every restart in the budget has been used. */
export class NicGivenUp extends FerruleError {
  readonly code = "NIC_GIVEN_UP";
  readonly hint =
    "Look for IOMMU faults and PCIe errors in the kernel log (`sudo dmesg | grep -iE 'DMAR|AMD-Vi|AER'`), then power-cycle the card.";
  /** Number of unsuccessful restarts. */
  readonly restarts: number;
  constructor(fields: { restarts: number; micros: number; reason: string }) {
    super(
      `the NIC failed again after ${fields.restarts} restarts in ${(fields.micros / 1e6).toFixed(1)} s: ${fields.reason}`,
    );
    this.restarts = fields.restarts;
  }
}

/** Counts restarts and determines when the next one is due. */
export class RestartBudget {
  /** Number of restarts since the start. */
  restarts = 0;
  readonly #clock: Clock;
  /** Number of failures in this series. Before each but the first, the NIC had run for less than `STEADY_MICROS`. */
  #failures = 0;
  /** Time of the first failure in the series. */
  #since = 0;
  /** Time of the NIC's last restart. */
  #started = -Infinity;
  /** The time at which the next restart is due; undefined if no restart is planned. */
  #due: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the budget is full: the next failure would be the first of a series. */
  get full(): boolean {
    return this.#failures === 0 || this.#clock.now() - this.#started >= STEADY_MICROS;
  }

  /**
   * Records a failure of the NIC or of a restart. The next restart becomes due after a delay.
   * @returns the number of the restart, from 1 on
   * @throws {NicGivenUp} if the budget is exhausted
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

  /** Whether a restart is due now. */
  get due(): boolean {
    return this.#due !== undefined && this.#clock.now() >= this.#due;
  }

  /** Counts a restart, which begins now. */
  begin(): void {
    this.#due = undefined;
    this.#started = this.#clock.now();
    this.restarts++;
  }
}
