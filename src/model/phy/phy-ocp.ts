/** PHY registers from the 8168G on: one space of 64 KiB, which MDIO accesses by pages. */
import {
  ALIVE,
  BMCR,
  CROSSOVER_OCP,
  Mmd,
  MMD_DATA,
  Ocp,
  OCP_STANDARD,
  PAGE,
  PATCH_READY,
  PATCH_REQUEST,
  Physr,
  PHYSR,
  PHYSR_PAGE,
  SPEED_DOWN,
} from "#chip/phy.ts";
import { CableTest } from "#chip/cable-test.ts";
import { CableTester } from "./cable.ts";
import type { LinkSpeed } from "./link-partner.ts";
import { crossing } from "./crossing.ts";
import { ocpAddress } from "./ocp-address.ts";
import type { Phy } from "./phy.ts";
import { wordsOf } from "../observation/state.ts";
import { PhyMemory } from "./phy-memory.ts";
import type { PhyFront, PhyParts } from "./phy-front.ts";
import { PtpPhy } from "./ptp-phy.ts";

const SPEEDS: Readonly<Record<0 | LinkSpeed, number>> = {
  0: 0,
  10: 0,
  100: Physr.speed100,
  1000: Physr.speed1000,
  2500: Physr.speed2500,
  5000: Physr.speed5000,
  10000: Physr.speed10000,
};
const STATUS = (PHYSR_PAGE << 4) + 2 * (PHYSR - 16);
const STATE = 7;
const { control: CROSSOVER } = CROSSOVER_OCP;
const CROSSOVER_AT = (CROSSOVER.page << 4) + 2 * (CROSSOVER.register - 16);

/** Addresses of clause 45 registers in this space. */
const CLAUSE_45: ReadonlyMap<number, readonly [device: number, register: number]> = new Map([
  [Ocp.pmaSpeed, [Mmd.pma, 4]],
  [Ocp.eeeAble, [Mmd.pcs, 20]],
  [Ocp.eee2Able, [Mmd.pcs, 21]],
  [Ocp.advertise10G, [Mmd.negotiation, 32]],
  [Ocp.partner10G, [Mmd.negotiation, 33]],
  [Ocp.eeeAdvertise, [Mmd.negotiation, 60]],
  [Ocp.eeePartner, [Mmd.negotiation, 61]],
  [Ocp.eee2Advertise, [Mmd.negotiation, 62]],
  [Ocp.eee2Partner, [Mmd.negotiation, 63]],
]);

/** Registers without a function keep the value that a driver's firmware or tuning writes to them. */
export class OcpPhy implements PhyFront {
  readonly #phy: Phy;
  readonly #words = new Uint16Array(0x8000);
  readonly #memory = new PhyMemory();
  readonly #memory2 = new PhyMemory();
  /** The page in register 31 of MDIO. */
  #page = 0;
  readonly ptp: PtpPhy | undefined;

  readonly cable: CableTester | undefined;

  /** @param parts functions that only some of these PHYs have */
  constructor(phy: Phy, parts?: PhyParts) {
    this.#phy = phy;
    if (parts?.ptp === "phy") this.ptp = new PtpPhy(this.#words, parts.schedule);
    if (parts?.cableTest !== undefined) this.cable = new CableTester(parts.cableTest, this.#memory, parts.schedule);
    phy.speedDown = () => (this.#words[Ocp.speedDown >> 1]! & SPEED_DOWN) !== 0;
    phy.crossover = () => crossing(this.#words[CROSSOVER_AT >> 1]!, CROSSOVER);
    this.powerOn();
  }

  powerOn(): void {
    this.#words.fill(0);
    // Speed-down is on by default, as in Realtek's PHYs that are separate chips, although drivers also set it.
    this.#words[Ocp.speedDown >> 1] = SPEED_DOWN;
    this.#memory.clear();
    this.#memory2.clear();
    this.#page = 0;
    this.ptp?.powerOn();
  }

  readonly ocp = (command: number, write: boolean): number => {
    const address = ocpAddress(command);
    if (write) {
      this.write(address, command & 0xffff);
      return command;
    }
    return (command & ~0xffff) | this.read(address);
  };

  /** FreeBSD's driver uses MDIO also for the PHYs of the 8168G and 8168H. */
  readonly mdio = (command: number, write: boolean): number => {
    const register = (command >>> 16) & 31;
    if (register === PAGE) {
      if (write) this.#page = command & 0xffff;
      return (command & ~0xffff) | this.#page;
    }
    const address = this.#paged(register);
    if (write) {
      this.write(address, command & 0xffff);
      return command;
    }
    return (command & ~0xffff) | this.read(address);
  };

  /**
   * The PHY has a memory for firmware. PHYs for 2.5 Gbit/s and faster have a second one, whose addresses have bit 16
   * set here.
   */
  get state(): PhyFront["state"] {
    const words = Uint16Array.from(this.#words);
    this.#phy.held.forEach((value, register) => (words[(OCP_STANDARD >> 1) + register] = value));
    words[Ocp.memoryAddress >> 1] = this.#memory.address;
    words[Ocp.memory2Address >> 1] = this.#memory2.address;
    return {
      phy: wordsOf(words, (i) => 2 * i),
      phyExtension: {},
      phyMemory: { ...this.#memory.state(0), ...this.#memory2.state(0x1_0000) },
    };
  }

  /** Registers below 16 are the same on every page. */
  #paged(register: number): number {
    if (this.#page === 0 || register < 16) return OCP_STANDARD + 2 * register;
    return ((this.#page << 4) + 2 * (register - 16)) & 0xfffe;
  }

  /** @param address even, 0 to 0xfffe */
  read(address: number): number {
    const register = (address - OCP_STANDARD) >> 1;
    if (register >= BMCR && register < 16) return this.#standard(register);
    const place = CLAUSE_45.get(address);
    if (place !== undefined) return this.#phy.clause45.read(place[0], place[1]);
    switch (address) {
      case STATUS:
        return this.#settled();
      case Ocp.state:
        return (this.#words[address >> 1]! & ~STATE) | this.#phy.state;
      case Ocp.memoryAddress:
        return this.#memory.address;
      case Ocp.memoryData:
        return this.#memory.data;
      case Ocp.memory2Address:
        return this.#memory2.address;
      case Ocp.memory2Data:
        return this.#memory2.data;
      case Ocp.patchStatus:
        return (this.#words[Ocp.patchRequest >> 1]! & PATCH_REQUEST) === 0 ? 0 : PATCH_READY;
      default:
        return this.#words[address >> 1]!;
    }
  }

  /** @param address even, 0 to 0xfffe */
  write(address: number, value: number): void {
    const register = (address - OCP_STANDARD) >> 1;
    if (register >= BMCR && register < 16) {
      this.#phy.write(register, value);
      return;
    }
    const place = CLAUSE_45.get(address);
    if (place !== undefined) {
      this.#phy.clause45.write(place[0], place[1], value);
      return;
    }
    switch (address) {
      case STATUS:
      case Ocp.patchStatus:
        break;
      case Ocp.memoryAddress:
        this.#memory.address = value;
        break;
      case Ocp.memoryData:
        this.#memory.data = value;
        break;
      case Ocp.memory2Address:
        this.#memory2.address = value;
        break;
      case Ocp.memory2Data:
        this.#memory2.data = value;
        break;
      // The controller clears this bit at once. If it did not, the vendor's RTL8125 driver would reset the PHY.
      case Ocp.alive:
        this.#words[address >> 1] = value & ~ALIVE;
        break;
      case CROSSOVER_AT:
        this.#cross(value);
        break;
      case CableTest.address:
        this.#testCable(value);
        break;
      default:
        if (this.ptp?.write(address, value) !== true) this.#words[address >> 1] = value;
    }
  }

  #testCable(value: number): void {
    const at = CableTest.address >> 1;
    const before = this.#words[at]!;
    this.#words[at] = value & ~CableTest.done;
    this.cable?.write(before, value, this.#phy.plugged, () => (this.#words[at]! |= CableTest.done));
  }

  /** Writes the crossover register; restarts the link if the crossover setting changed. */
  #cross(value: number): void {
    const before = this.#words[CROSSOVER_AT >> 1]!;
    this.#words[CROSSOVER_AT >> 1] = value;
    if (((before ^ value) & CROSSOVER.mask) !== 0) this.#phy.restart();
  }

  /**
   * Register 14 reads 0, because registers 13 and 14 give no access to clause 45 registers here. Linux recognises these
   * PHYs by the 0.
   */
  #standard(register: number): number {
    return register === MMD_DATA ? 0 : this.#phy.read(register);
  }

  #settled(): number {
    const { up, speed, fullDuplex } = this.#phy.link;
    if (!up) return 0;
    const master = this.#phy.master ? Physr.master : 0;
    const mdi = this.#phy.mdi ? Physr.mdi : 0;
    return SPEEDS[speed] | (fullDuplex ? Physr.fullDuplex : 0) | master | mdi | Physr.linkUp;
  }
}
