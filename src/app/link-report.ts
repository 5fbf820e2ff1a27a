/** Reports link changes at a limited rate, so that a link that changes often does not flood the listeners. */
import { LINK_DOWN, type LinkState } from "#driver/phy.ts";
import type { Clock } from "#kit/clock.ts";

/** Minimum interval between two reports. */
export const REPORT_MICROS = 100_000;

const same = (a: LinkState, b: LinkState): boolean =>
  a.up === b.up && a.speed === b.speed && a.fullDuplex === b.fullDuplex;

export class LinkReport {
  /** Number of changes since the start, including those that were not reported. */
  changes = 0;
  /** The present state of the link. */
  current: LinkState = LINK_DOWN;
  readonly #clock: Clock;
  readonly #report: (link: LinkState) => void;
  #reported: LinkState = LINK_DOWN;
  #reportedAt = -Infinity;

  constructor(clock: Clock, report: (link: LinkState) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /**
   * Records a change that the NIC signalled. The change is reported at once or, if the last report was too recent, by a
   * later `flush`.
   */
  changed(link: LinkState): void {
    this.changes++;
    this.current = link;
    this.flush();
  }

  /**
   * Reports the present state if it differs from the reported one and the interval has passed. Must be called
   * regularly.
   */
  flush(): void {
    if (same(this.current, this.#reported) || this.#clock.now() - this.#reportedAt < REPORT_MICROS) return;
    this.#reported = this.current;
    this.#reportedAt = this.#clock.now();
    this.#report(this.current);
  }
}
