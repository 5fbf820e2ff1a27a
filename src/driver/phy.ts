/**
 * The built-in PHY: reset, autonegotiation, and what came of it. IEEE 802.3 clauses 22 and 28; what is special about each
 * chip's is its family's.
 */
import {
  ANAR,
  ANLPAR,
  Advertise,
  Advertise10G,
  BMCR,
  BMSR,
  Bmcr,
  Bmsr,
  GBCR,
  Gbcr,
  PHYID1,
  PHYID2,
} from "#chip/phy.ts";
import { expect } from "#kit/clock.ts";
import type { Hardware } from "./hardware.ts";
import { SideBusTimeout } from "./errors.ts";
import { macLink } from "./mac-link.ts";

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

/** Of PHYs above 1 Gbit/s: clause 45, 7.32, as the page and the register that show it (PHY-OCP 0xa5d4). */
const ADVERTISE_10G = { page: 0xa5d, register: 18 } as const;
const FASTER = [
  [2500, Advertise10G.full2500],
  [5000, Advertise10G.full5000],
  [10_000, Advertise10G.full10000],
] as const;

export class Phy {
  readonly #hw: Hardware;
  /** What was written to ANAR. */
  #advertised: number | undefined;

  constructor(hw: Hardware) {
    this.#hw = hw;
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
    expect(this.#hw.clock, "PHY reset", RESET_LIMIT_MICROS, 1000, () => (this.read(BMCR) & Bmcr.reset) === 0);
  }

  /** Advertises every speed of the chip and starts over. Pause is not advertised with jumbo frames: the chip cannot do both. */
  negotiate(options: { pause: boolean }): void {
    const pause = options.pause ? Advertise.pause | Advertise.asymmetricPause : 0;
    const speeds = Advertise.full100 | Advertise.half100 | Advertise.full10 | Advertise.half10;
    this.#advertised = Advertise.selector | speeds | pause;
    this.write(ANAR, this.#advertised);
    const { speed, profile } = this.#hw.chip;
    if (speed >= 1000) this.write(GBCR, Gbcr.full1000);
    if (profile.phy.multigigabit !== 0) this.#advertiseFaster(speed);
    this.write(BMCR, Bmcr.autonegotiate | Bmcr.restart);
  }

  /** A chip may be slower than its PHY. */
  #advertiseFaster(limit: number): void {
    const { page, register } = ADVERTISE_10G;
    const { phy } = this.#hw;
    const all = FASTER.reduce((bits, [, bit]) => bits | bit, 0);
    const wanted = FASTER.reduce((bits, [speed, bit]) => (speed <= limit ? bits | bit : bits), 0);
    phy.write(register, (phy.read(register, page) & ~all) | wanted, page);
  }

  /**
   * Whether it has lost its settings, or reads all zeros or all ones, or does not answer: what an electrostatic discharge does
   * to a PHY (Realtek's drivers look for it once a second). The RTL8139C+ cannot advertise asymmetric pause.
   */
  get lost(): boolean {
    const awake = Bmcr.autonegotiate | Bmcr.powerDown | Bmcr.isolate;
    try {
      if ((this.read(BMCR) & awake) !== Bmcr.autonegotiate) return true;
      const changed = this.read(ANAR) ^ (this.#advertised ?? 0);
      if ((changed & ~Advertise.asymmetricPause) !== 0) return true;
      // Never advertised, but the value after power-on.
      return this.#hw.chip.speed >= 1000 && (this.read(GBCR) & Gbcr.half1000) !== 0;
    } catch (error) {
      if (error instanceof SideBusTimeout) return true;
      throw error;
    }
  }

  /** Goes to sleep; the next `reset` wakes it up. */
  powerDown(): void {
    this.write(BMCR, Bmcr.autonegotiate | Bmcr.powerDown);
  }

  /** What the MAC sees of the link. The PHY's own latch is read as well, which clears it. */
  link(): LinkState {
    const { up, speed, fullDuplex } = macLink(this.#hw);
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
