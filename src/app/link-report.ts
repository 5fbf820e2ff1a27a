/** Reports link changes, but at a limited rate: a link that flaps must not flood its listeners. */
import { LINK_DOWN, type LinkState } from "#driver/phy.ts";
import type { Clock } from "#kit/clock.ts";

/** Minimum interval of reports. */
export const REPORT_MICROS = 100_000;

const same = (a: LinkState, b: LinkState): boolean =>
  a.up === b.up && a.speed === b.speed && a.fullDuplex === b.fullDuplex;

export class LinkReport {
  /** Changes signalled since the start, reported or not. */
  changes = 0;
  /** The link's state as it is now. */
  newest: LinkState = LINK_DOWN;
  readonly #clock: Clock;
  readonly #tell: (link: LinkState) => void;
  #told: LinkState = LINK_DOWN;
  #toldAt = -Infinity;

  constructor(clock: Clock, tell: (link: LinkState) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** The NIC signalled a change. Reported at once, or by a later `flush` if the last report was too recent. */
  changed(link: LinkState): void {
    this.changes++;
    this.newest = link;
    this.flush();
  }

  /** Reports a pending state that still holds. Must be called regularly. */
  flush(): void {
    if (same(this.newest, this.#told) || this.#clock.now() - this.#toldAt < REPORT_MICROS) return;
    this.#told = this.newest;
    this.#toldAt = this.#clock.now();
    this.#tell(this.newest);
  }
}
