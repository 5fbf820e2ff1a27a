/**
 * The built-in PHY: reset, tuning, autonegotiation, and what came of it.
 *
 * IEEE 802.3 clause 22 and 28; Realtek's pages as in DPDK `r8169_phy.c` (BSD-3-Clause).
 */
import {
  ANAR,
  ANLPAR,
  Advertise,
  BMCR,
  BMSR,
  Bmcr,
  Bmsr,
  GBCR,
  Gbcr,
  OCP_STANDARD,
  PHYID1,
  PHYID2,
} from "#chip/phy.ts";
import { PHYstatus, PhyStatus } from "#chip/registers.ts";
import { type Clock, until } from "#kit/clock.ts";
import { Timeout } from "#kit/errors.ts";
import type { Mmio } from "#kit/mmio.ts";
import type { SideBus } from "./side-bus.ts";

/** The link as it is now. Speed in Mbit/s, 0 while down. */
export interface LinkState {
  readonly up: boolean;
  readonly speed: number;
  readonly fullDuplex: boolean;
  readonly pause: { readonly receive: boolean; readonly transmit: boolean };
}

/** One step of PHY tuning: on a page, in a register, clear bits and set bits. */
export interface PhyStep {
  readonly page: number;
  readonly register: number;
  readonly clear: number;
  readonly set: number;
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
  readonly #bus: SideBus;
  readonly #io: Mmio;
  readonly #clock: Clock;

  constructor(bus: SideBus, io: Mmio, clock: Clock) {
    this.#bus = bus;
    this.#io = io;
    this.#clock = clock;
  }

  /** A clause 22 register. */
  read(register: number): number {
    return this.#bus.phyRead(OCP_STANDARD + 2 * register);
  }
  write(register: number, value: number): void {
    this.#bus.phyWrite(OCP_STANDARD + 2 * register, value);
  }

  /** PHYID1 and PHYID2 as one word. */
  get id(): number {
    return ((this.read(PHYID1) << 16) | this.read(PHYID2)) >>> 0;
  }

  /** Applies tuning steps in order. Page p, register n (16 to 23) lies at (p << 4) + 2(n − 16). */
  tune(steps: readonly PhyStep[]): void {
    for (const { page, register, clear, set } of steps)
      this.#bus.phyUpdate((page << 4) + 2 * (register - 16), clear, set);
  }

  /** Wakes the PHY up and resets it. @throws {Timeout} */
  reset(): void {
    this.write(BMCR, Bmcr.reset | Bmcr.autonegotiate);
    if (!until(this.#clock, RESET_LIMIT_MICROS, 1000, () => (this.read(BMCR) & Bmcr.reset) === 0))
      throw new Timeout({ what: "PHY reset", waitedMicros: RESET_LIMIT_MICROS });
  }

  /** Offers every speed the PHY has and starts over. Pause is not offered with jumbo frames: the chip cannot do both. */
  negotiate(options: { pause: boolean }): void {
    const pause = options.pause ? Advertise.pause | Advertise.asymmetricPause : 0;
    const speeds = Advertise.full100 | Advertise.half100 | Advertise.full10 | Advertise.half10;
    this.write(ANAR, Advertise.selector | speeds | pause);
    this.write(GBCR, Gbcr.full1000);
    this.write(BMCR, Bmcr.autonegotiate | Bmcr.restart);
  }

  /** Goes to sleep; the next `reset` wakes it up. */
  powerDown(): void {
    this.write(BMCR, Bmcr.autonegotiate | Bmcr.powerDown);
  }

  /** What the MAC sees of the link. The PHY's own latch is read as well, which clears it. */
  link(): LinkState {
    const status = this.#io.read8(PHYstatus);
    if ((status & PhyStatus.linkUp) === 0) return LINK_DOWN;
    this.read(BMSR);
    const negotiated = (this.read(BMSR) & Bmsr.negotiated) !== 0;
    const fullDuplex = (status & PhyStatus.fullDuplex) !== 0;
    const ours = this.read(ANAR);
    const theirs = negotiated ? this.read(ANLPAR) : 0;
    return { up: true, speed: speedOf(status), fullDuplex, pause: resolvePause(ours, theirs, fullDuplex) };
  }
}

const speedOf = (status: number): number => {
  if ((status & PhyStatus.speed1000) !== 0) return 1000;
  if ((status & PhyStatus.speed100) !== 0) return 100;
  return 10;
};

/** 802.3, table 28B-3. */
const resolvePause = (ours: number, theirs: number, fullDuplex: boolean): { receive: boolean; transmit: boolean } => {
  const both = ours & theirs;
  if (!fullDuplex) return { receive: false, transmit: false };
  if ((both & Advertise.pause) !== 0) return { receive: true, transmit: true };
  if ((both & Advertise.asymmetricPause) === 0) return { receive: false, transmit: false };
  return { receive: (ours & Advertise.pause) !== 0, transmit: (theirs & Advertise.pause) !== 0 };
};
