/** PHY registers of chips before the 8168G: pages of 32 registers, selected by register 31. */
import {
  CROSSOVER_8211,
  EXTENSION_PAGE,
  EXTENSION_SELECT,
  MEMORY_ADDRESS,
  MEMORY_DATA,
  MEMORY_PAGE,
  MmdControl,
  MMD_CONTROL,
  MMD_DATA,
  PAGE,
  Physr8211,
  PHYSR_8211,
  SPEED_DOWN_8211,
} from "#chip/phy.ts";
import type { Phy } from "./phy.ts";
import { crossing } from "./crossing.ts";
import { PhyMemory } from "./phy-memory.ts";
import type { PhyFront } from "./phy-front.ts";
import { wordsOf } from "../observation/state.ts";

/** Drivers use pages 0 to 7; the number of pages is not public. */
const PAGES = 16;
const EXTENSIONS = 256;
const SPEED_DOWN = 1 << 15;
const { control: CROSSOVER } = CROSSOVER_8211;
/** The address of a word in `state`. */
const paged = (i: number): number => ((i >> 5) << 8) | (i & 31);
/** Address in the controller's memory of the word that reports that the controller is ready for firmware. */
const READY_AT = 0x1b;

/**
 * Pages other than 0 have registers of their own at all numbers except 31 (drivers of the 8169S write the
 * lowest-numbered ones of page 1). Registers without a function keep the value that a driver's firmware or tuning
 * writes to them.
 */
export class PagedPhy implements PhyFront {
  readonly #phy: Phy;
  readonly #words = new Uint16Array(32 * PAGES);
  readonly #extensions = new Uint16Array(32 * EXTENSIONS);
  readonly #memory = new PhyMemory();
  #page = 0;
  #extension = 0;
  /** Function and device of the indirect access to clause 45 registers. */
  #mmdControl = 0;
  #mmdAddress = 0;

  constructor(phy: Phy) {
    this.#phy = phy;
    phy.speedDown = () => (this.#words[SPEED_DOWN_8211]! & SPEED_DOWN) !== 0;
    phy.crossover = () => (this.#crosses ? crossing(this.#words[CROSSOVER.register]!, CROSSOVER) : undefined);
    this.powerOn();
  }

  /** Whether the PHY has a crossover setting: from the 8211B on. */
  get #crosses(): boolean {
    return this.#phy.kind.crossover !== undefined;
  }

  powerOn(): void {
    this.#words.fill(0);
    this.#extensions.fill(0);
    this.#memory.clear();
    this.#words[SPEED_DOWN_8211] = SPEED_DOWN;
    if (this.#crosses) this.#words[CROSSOVER.register] = CROSSOVER.auto;
    this.#page = 0;
    this.#extension = 0;
    this.#mmdControl = 0;
    this.#mmdAddress = 0;
    const { ready } = this.#phy.kind;
    if (ready === undefined) return;
    this.#memory.address = READY_AT;
    this.#memory.data = ready;
  }

  readonly mdio = (command: number, write: boolean): number => {
    const register = (command >>> 16) & 31;
    if (write) {
      this.write(register, command & 0xffff);
      return command;
    }
    return (command & ~0xffff) | this.read(register);
  };

  /** These chips have no PHY-OCP window. */
  readonly ocp = (command: number): number => command;

  get state(): PhyFront["state"] {
    const words = Uint16Array.from(this.#words);
    this.#phy.held.forEach((value, register) => (words[register]! |= value));
    words[PAGE] = this.#page;
    words[32 * MEMORY_PAGE + MEMORY_ADDRESS] = this.#memory.address;
    return {
      phy: wordsOf(words, paged),
      phyExtension: wordsOf(this.#extensions, paged),
      phyMemory: this.#memory.state(0),
    };
  }

  read(register: number): number {
    if (register === PAGE) return this.#page;
    switch (this.#page) {
      case 0:
        return this.#readFirst(register);
      case MEMORY_PAGE:
        if (register === MEMORY_ADDRESS) return this.#memory.address;
        return register === MEMORY_DATA ? this.#memory.data : this.#words[this.#at(register)]!;
      case EXTENSION_PAGE:
        return register === EXTENSION_SELECT ? this.#extension : this.#extensions[32 * this.#extension + register]!;
      default:
        return this.#words[this.#at(register)]!;
    }
  }

  write(register: number, value: number): void {
    if (register === PAGE) {
      this.#page = value & 0xffff;
      return;
    }
    switch (this.#page) {
      case 0:
        this.#writeFirst(register, value);
        return;
      case MEMORY_PAGE:
        if (register === MEMORY_ADDRESS) this.#memory.address = value;
        else if (register === MEMORY_DATA) this.#memory.data = value;
        else this.#words[this.#at(register)] = value;
        return;
      case EXTENSION_PAGE:
        if (register === EXTENSION_SELECT) this.#extension = value & (EXTENSIONS - 1);
        else this.#extensions[32 * this.#extension + register] = value;
        return;
      default:
        this.#words[this.#at(register)] = value;
    }
  }

  #at(register: number): number {
    return 32 * (this.#page % PAGES) + register;
  }

  #readFirst(register: number): number {
    const { indirect, estatus } = this.#phy.kind;
    if (register === MMD_CONTROL || register === MMD_DATA) {
      if (indirect) return register === MMD_CONTROL ? this.#mmdControl : this.#readMmd();
      // Registers 13 and 14 are reserved in the Fast Ethernet PHYs, and tuning registers in the gigabit PHYs.
      return estatus === 0 ? 0 : this.#words[register]!;
    }
    if (register < 16) return this.#phy.read(register);
    return register === PHYSR_8211 && estatus !== 0 ? this.#settled() : this.#words[register]!;
  }

  #writeFirst(register: number, value: number): void {
    const { indirect, estatus } = this.#phy.kind;
    if (register === MMD_CONTROL || register === MMD_DATA) {
      if (!indirect) this.#words[register] = value;
      else if (register === MMD_CONTROL) this.#mmdControl = value & (MmdControl.function | MmdControl.device);
      else this.#writeMmd(value);
    } else if (register < 16) this.#phy.write(register, value);
    else if (register === CROSSOVER.register && this.#crosses) this.#cross(value);
    else if (register !== PHYSR_8211 || estatus === 0) this.#words[register] = value;
  }

  /** Writes the crossover register; restarts the link if the crossover setting changed. */
  #cross(value: number): void {
    const before = this.#words[CROSSOVER.register]!;
    this.#words[CROSSOVER.register] = value;
    if (((before ^ value) & CROSSOVER.mask) !== 0) this.#phy.restart();
  }

  #readMmd(): number {
    if ((this.#mmdControl & MmdControl.function) === MmdControl.address) return this.#mmdAddress;
    const value = this.#phy.clause45.read(this.#mmdControl & MmdControl.device, this.#mmdAddress);
    if ((this.#mmdControl & MmdControl.function) === MmdControl.dataIncrementing) this.#next();
    return value;
  }

  #writeMmd(value: number): void {
    const kind = this.#mmdControl & MmdControl.function;
    if (kind === MmdControl.address) {
      this.#mmdAddress = value;
      return;
    }
    this.#phy.clause45.write(this.#mmdControl & MmdControl.device, this.#mmdAddress, value);
    if (kind !== MmdControl.data) this.#next();
  }

  #next(): void {
    this.#mmdAddress = (this.#mmdAddress + 1) & 0xffff;
  }

  #settled(): number {
    const { up, speed, fullDuplex } = this.#phy.link;
    if (!up) return 0;
    const rate = speed === 1000 ? Physr8211.speed1000 : speed === 100 ? Physr8211.speed100 : 0;
    const mdix = this.#crosses && !this.#phy.mdi ? Physr8211.mdix : 0;
    return rate | (fullDuplex ? Physr8211.fullDuplex : 0) | mdix | Physr8211.resolved | Physr8211.linkUp;
  }
}
