/** The built-in PHY: clause 22 registers, Realtek's pages, autonegotiation with a link partner. IEEE 802.3, 22 and 28. */
import {
  ANAR,
  ANER,
  ANLPAR,
  Advertise,
  BMCR,
  BMSR,
  Bmcr,
  Bmsr,
  ESTATUS,
  GBCR,
  GBSR,
  Gbcr,
  Gbsr,
  OCP_STANDARD,
  PHYID1,
  PHYID2,
  PHYID_8168H,
  PHYSR,
  PHYSR_PAGE,
} from "#chip/phy.ts";
import { PhyStatus } from "#chip/registers.ts";
import type { Access } from "./handshake.ts";
import { ocpAddress } from "./ocp-address.ts";
import type { Schedule } from "./schedule.ts";

/** What the station at the other end of the cable offers, in the words it would show in ANLPAR and GBSR. */
export interface Partner {
  readonly anlpar: number;
  /** Gbsr.full1000 and Gbsr.half1000 only. */
  readonly gbsr: number;
}

/** A gigabit station with all the older modes and symmetric pause. */
export const GIGABIT_PARTNER: Partner = {
  anlpar: 0xc5e1,
  gbsr: Gbsr.full1000 | Gbsr.half1000,
};

/** The link as the PHY sees it; speed in Mbit/s, 0 while down. */
export interface PhyLink {
  readonly up: boolean;
  readonly speed: 0 | 10 | 100 | 1000;
  readonly fullDuplex: boolean;
  readonly pause: boolean;
}

const DOWN: PhyLink = { up: false, speed: 0, fullDuplex: false, pause: false };

/** Abilities of this PHY: all but the link and negotiation bits, which are live. */
const BMSR_FIXED =
  Bmsr.full100 |
  Bmsr.half100 |
  Bmsr.full10 |
  Bmsr.half10 |
  Bmsr.extendedStatus |
  Bmsr.noPreamble |
  Bmsr.autonegotiable |
  Bmsr.extended;
const BMCR_RESET = Bmcr.autonegotiate | Bmcr.fullDuplex | Bmcr.speedHigh;
const ANAR_RESET = Advertise.selector | Advertise.full100 | Advertise.half100 | Advertise.full10 | Advertise.half10;
/** 1000BASE-T full duplex. */
const ESTATUS_FIXED = 1 << 13;
/** MMD 7.20 and 3.20 as Realtek shows them among its own registers: energy-efficient Ethernet at 100 and 1000. */
const EEE_ABLE = 0xa5c4;
const EEE_100_1000 = 0x0006;

const standard = (register: number): number => (OCP_STANDARD + 2 * register) >> 1;
// Asked for every frame: bound here because the engine looks an imported name up at every use.
const CONTROL_INDEX = standard(BMCR);
const LOOPBACK = Bmcr.loopback;
const PHYSR_INDEX = ((PHYSR_PAGE << 4) + 2 * (PHYSR - 16)) >> 1;

/**
 * Registers live in one 64 KiB space of even addresses. A negotiation takes `negotiateMicros`; a real one takes one to
 * three seconds, which no test wants to wait for.
 */
export class Phy {
  readonly #registers = new Uint16Array(0x8000);
  readonly #schedule: Schedule;
  readonly #negotiateMicros: number;
  readonly #changed: () => void;
  #partner: Partner | undefined;
  #link = DOWN;
  /** The link was lost since BMSR was last read. */
  #lost = false;
  #cancel: (() => void) | undefined;

  /** @param changed called when the link has come or gone */
  constructor(schedule: Schedule, negotiateMicros: number, changed: () => void) {
    this.#schedule = schedule;
    this.#negotiateMicros = negotiateMicros;
    this.#changed = changed;
    this.#defaults();
  }

  get link(): PhyLink {
    return this.#link;
  }

  get loopback(): boolean {
    return (this.#registers[CONTROL_INDEX]! & LOOPBACK) !== 0;
  }

  /** PHYstatus, as the MAC shows it. */
  get status(): number {
    const { up, speed, fullDuplex, pause } = this.#link;
    if (!up) return 0;
    const rate = { 0: 0, 10: PhyStatus.speed10, 100: PhyStatus.speed100, 1000: PhyStatus.speed1000 }[speed];
    const flow = pause ? PhyStatus.transmitFlow | PhyStatus.receiveFlow : 0;
    return PhyStatus.linkUp | rate | flow | (fullDuplex ? PhyStatus.fullDuplex : 0);
  }

  /** The cable is plugged into `partner`, or pulled. */
  plug(partner: Partner | undefined): void {
    this.#partner = partner;
    this.#start();
  }

  powerOn(): void {
    this.#registers.fill(0);
    this.#defaults();
    this.#start();
  }

  /** PHY-OCP: bits 30:15 are the address, 15:0 the data. */
  readonly access: Access = (command, write) => {
    const i = ocpAddress(command) >> 1;
    if (write) this.write(i, command & 0xffff);
    return (command & ~0xffff) | (write ? command & 0xffff : this.read(i));
  };

  /** @param i half the OCP address */
  read(i: number): number {
    switch (i) {
      case standard(BMSR):
        return this.#readStatus();
      case standard(ANLPAR):
        return this.#negotiated ? this.#partner!.anlpar : 0;
      case standard(ANER):
        return this.#negotiated ? 1 : 0;
      case standard(GBSR):
        return this.#negotiated && this.#partner!.gbsr !== 0 ? this.#partner!.gbsr | Gbsr.localOk | Gbsr.remoteOk : 0;
      case PHYSR_INDEX:
        return this.#settled();
      default:
        return this.#registers[i]!;
    }
  }

  /** @param i half the OCP address */
  write(i: number, value: number): void {
    switch (i) {
      case standard(BMCR):
        this.#control(value);
        break;
      case standard(BMSR):
      case standard(PHYID1):
      case standard(PHYID2):
      case standard(ANLPAR):
      case standard(ANER):
      case standard(GBSR):
      case standard(ESTATUS):
      case PHYSR_INDEX:
        break;
      default:
        this.#registers[i] = value;
    }
  }

  get #negotiated(): boolean {
    return this.#link.up && (this.#registers[standard(BMCR)]! & Bmcr.autonegotiate) !== 0;
  }

  #defaults(): void {
    this.#registers[standard(BMCR)] = BMCR_RESET;
    this.#registers[standard(PHYID1)] = PHYID_8168H >>> 16;
    this.#registers[standard(PHYID2)] = PHYID_8168H;
    this.#registers[standard(ANAR)] = ANAR_RESET;
    this.#registers[standard(GBCR)] = Gbcr.full1000;
    this.#registers[standard(ESTATUS)] = ESTATUS_FIXED;
    this.#registers[EEE_ABLE >> 1] = EEE_100_1000;
  }

  /** The link bit latches low (22.2.4.2.13): the first read after a loss says down, whatever has come since. */
  #readStatus(): number {
    const up = this.#link.up && !this.#lost;
    this.#lost = false;
    return BMSR_FIXED | (up ? Bmsr.linkUp : 0) | (this.#negotiated ? Bmsr.negotiated : 0);
  }

  /** Realtek's status register: speed in bits 5:4, duplex bit 3, link bit 2. */
  #settled(): number {
    const { up, speed, fullDuplex } = this.#link;
    if (!up) return 0;
    return ({ 0: 0, 10: 0, 100: 1, 1000: 2 }[speed] << 4) | (fullDuplex ? 8 : 0) | 4;
  }

  #control(value: number): void {
    const before = this.#registers[standard(BMCR)]!;
    if ((value & Bmcr.reset) !== 0) {
      // Clears itself when negotiation may start. Realtek's pages keep their tuning through this reset.
      this.#defaults();
      this.#start();
      return;
    }
    this.#registers[standard(BMCR)] = value & ~Bmcr.restart;
    const matters = Bmcr.autonegotiate | Bmcr.powerDown | Bmcr.isolate;
    const forced = Bmcr.speedHigh | Bmcr.speedLow | Bmcr.fullDuplex;
    const changed = before ^ value;
    const autonegotiates = (value & Bmcr.autonegotiate) !== 0;
    if (
      (autonegotiates && (value & Bmcr.restart) !== 0) ||
      (changed & (autonegotiates ? matters : matters | forced)) !== 0
    )
      this.#start();
  }

  /** The link goes down, and comes back after a while if both ends can agree on something. */
  #start(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#become(DOWN);
    const off = (this.#registers[standard(BMCR)]! & (Bmcr.powerDown | Bmcr.isolate)) !== 0;
    if (off || this.#partner === undefined) return;
    this.#cancel = this.#schedule.after(this.#negotiateMicros, () => this.#become(this.#resolve()));
  }

  #become(link: PhyLink): void {
    const before = this.#link;
    this.#link = link;
    if (before.up && !link.up) this.#lost = true;
    if (before.up !== link.up) this.#changed();
  }

  #resolve(): PhyLink {
    if (this.#partner === undefined) return DOWN;
    const control = this.#registers[standard(BMCR)]!;
    const fullDuplex = (control & Bmcr.fullDuplex) !== 0;
    if ((control & Bmcr.autonegotiate) === 0) {
      const speed = control & Bmcr.speedHigh ? 1000 : control & Bmcr.speedLow ? 100 : 10;
      return { up: true, speed, fullDuplex, pause: false };
    }
    const common = this.#registers[standard(ANAR)]! & this.#partner.anlpar;
    const pause = (common & Advertise.pause) !== 0;
    // GBSR shows the partner's abilities two bits above where GBCR has ours.
    const gigabit = (this.#registers[standard(GBCR)]! << 2) & this.#partner.gbsr;
    if (gigabit & Gbsr.full1000) return { up: true, speed: 1000, fullDuplex: true, pause };
    if (gigabit & Gbsr.half1000) return { up: true, speed: 1000, fullDuplex: false, pause: false };
    if (common & Advertise.full100) return { up: true, speed: 100, fullDuplex: true, pause };
    if (common & Advertise.half100) return { up: true, speed: 100, fullDuplex: false, pause: false };
    if (common & Advertise.full10) return { up: true, speed: 10, fullDuplex: true, pause };
    if (common & Advertise.half10) return { up: true, speed: 10, fullDuplex: false, pause: false };
    return DOWN;
  }
}
