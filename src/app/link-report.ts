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
  newest: LinkState = LINK_DOWN;
  readonly #clock: Clock;
  readonly #tell: (link: LinkState) => void;
  #told: LinkState = LINK_DOWN;
  #toldAt = -Infinity;

  constructor(clock: Clock, tell: (link: LinkState) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /**
   * Takes a change that the NIC signalled. The change is reported at once or, if the last report was too recent, by a
   * later `flush`.
   */
  changed(link: LinkState): void {
    this.changes++;
    this.newest = link;
    this.flush();
  }

  /**
   * Reports the present state if it differs from the reported one and the interval has passed. Must be called
   * regularly.
   */
  flush(): void {
    if (same(this.newest, this.#told) || this.#clock.now() - this.#toldAt < REPORT_MICROS) return;
    this.#told = this.newest;
    this.#toldAt = this.#clock.now();
    this.#tell(this.newest);
  }
}
