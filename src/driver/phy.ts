/**
 * The built-in PHY: reset, autonegotiation, and what came of it. IEEE 802.3 clauses 22 and 28; what is special about each
 * chip's is its family's.
 */
import { ANAR, ANLPAR, Advertise, BMCR, BMSR, Bmcr, Bmsr, GBCR, Gbcr, PHYID1, PHYID2 } from "#chip/phy.ts";
import { until } from "#kit/clock.ts";
import { Timeout } from "#kit/errors.ts";
import type { Hardware } from "./family.ts";

/** The link as it is now. Speed in Mbit/s, 0 while down. */
export interface LinkState {
  readonly up: boolean;
  readonly speed: number;
  readonly fullDuplex: boolean;
  readonly pause: { readonly receive: boolean; readonly transmit: boolean };
}

export const LINK_DOWN: LinkState = {
  up: false,
  speed: 0,
  fullDuplex: false,
  pause: { receive: false, transmit: false },
};

/** BMCR.reset must clear itself within half a second (802.3, 22.2.4.1.1). */
const RESET_LIMIT_MICROS = 500_000;

export class Phy {
  readonly #hw: Hardware;
  readonly #gigabit: boolean;

  /** @param gigabit whether it has 1000BASE-T, with the registers that go with it */
  constructor(hw: Hardware, gigabit: boolean) {
    this.#hw = hw;
    this.#gigabit = gigabit;
  }

  /** A clause 22 register. */
  read(register: number): number {
    return this.#hw.phy.read(register);
  }
  write(register: number, value: number): void {
    this.#hw.phy.write(register, value);
  }

  /** PHYID1 and PHYID2 as one word. */
  get id(): number {
    return ((this.read(PHYID1) << 16) | this.read(PHYID2)) >>> 0;
  }

  /** Wakes the PHY up and resets it. @throws {Timeout} */
  reset(): void {
    this.write(BMCR, Bmcr.reset | Bmcr.autonegotiate);
    if (!until(this.#hw.clock, RESET_LIMIT_MICROS, 1000, () => (this.read(BMCR) & Bmcr.reset) === 0))
      throw new Timeout({ what: "PHY reset", waitedMicros: RESET_LIMIT_MICROS });
  }

  /** Offers every speed the PHY has and starts over. Pause is not offered with jumbo frames: the chip cannot do both. */
  negotiate(options: { pause: boolean }): void {
    const pause = options.pause ? Advertise.pause | Advertise.asymmetricPause : 0;
    const speeds = Advertise.full100 | Advertise.half100 | Advertise.full10 | Advertise.half10;
    this.write(ANAR, Advertise.selector | speeds | pause);
    if (this.#gigabit) this.write(GBCR, Gbcr.full1000);
    this.write(BMCR, Bmcr.autonegotiate | Bmcr.restart);
  }

  /** Goes to sleep; the next `reset` wakes it up. */
  powerDown(): void {
    this.write(BMCR, Bmcr.autonegotiate | Bmcr.powerDown);
  }

  /** What the MAC sees of the link. The PHY's own latch is read as well, which clears it. */
  link(): LinkState {
    const { up, speed, fullDuplex } = this.#hw.family.link(this.#hw);
    if (!up) return LINK_DOWN;
    this.read(BMSR);
    const negotiated = (this.read(BMSR) & Bmsr.negotiated) !== 0;
    const ours = this.read(ANAR);
    const theirs = negotiated ? this.read(ANLPAR) : 0;
    return { up, speed, fullDuplex, pause: resolvePause(ours, theirs, fullDuplex) };
  }
}

/** 802.3, table 28B-3. */
const resolvePause = (ours: number, theirs: number, fullDuplex: boolean): { receive: boolean; transmit: boolean } => {
  const both = ours & theirs;
  if (!fullDuplex) return { receive: false, transmit: false };
  if ((both & Advertise.pause) !== 0) return { receive: true, transmit: true };
  if ((both & Advertise.asymmetricPause) === 0) return { receive: false, transmit: false };
  return { receive: (ours & Advertise.pause) !== 0, transmit: (theirs & Advertise.pause) !== 0 };
};
