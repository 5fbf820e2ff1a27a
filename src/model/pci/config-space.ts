/** PCI configuration space: identity, decoding, bus mastering, power states. */
import type { Chip } from "#chip/chips.ts";
import {
  COMMAND,
  Command,
  type Field,
  layoutOf,
  type Personality,
  Pmcsr,
  regionsOf,
  Status,
  STATUS,
} from "./config-layout.ts";
import { type AccessWidth, ones, type Page } from "../registers/page.ts";

/** D0 to D3hot. D3cold is power off, and nothing is left that could say so. */
export type PowerState = 0 | 1 | 2 | 3;

export interface ConfigParts extends Personality {
  /** 4 KiB. */
  readonly page: Page;
  readonly chip: Chip;
  /** The guest put the function into another state. */
  readonly powered: (state: PowerState, before: PowerState) => void;
  /** Whether the interrupt line is up. */
  readonly interrupting: () => boolean;
  /** Four bytes of vital product data from an address on, a multiple of four below 0x8000. */
  readonly productData: (address: number) => number;
}

/** In the upper half of the address: the transfer is done after a read, and is yet to be done before a write. */
const PRODUCT_DATA_FLAG = 1 << 15;

/**
 * Registers that behave like memory with a mask, in the page behind the device's registers, and the few that do more.
 *
 * Invariant: `busMaster`, `memory`, `io` and `state` are what the page says; outside D0 the first three are false.
 */
export class ConfigSpace {
  /** Whether the chip may read and write memory on its own, and which of its windows it answers in. */
  busMaster = false;
  memory = false;
  io = false;
  state: PowerState = 0;
  readonly #parts: ConfigParts;
  readonly #page: Page;
  readonly #bytes: number;
  readonly #fields: readonly Field[];
  readonly #writable: Uint8Array;
  readonly #clearable: Uint8Array;
  readonly #pmcsr: number;
  /** The address of vital product data; the data come two bytes behind. */
  readonly #product: number;

  constructor(parts: ConfigParts) {
    const { page, chip } = parts;
    this.#parts = parts;
    this.#page = page;
    this.#bytes = regionsOf(chip).config;
    this.#fields = layoutOf(chip, parts);
    this.#writable = new Uint8Array(this.#bytes);
    this.#clearable = new Uint8Array(this.#bytes);
    this.#pmcsr = chip.profile.function.powerAt + 4;
    this.#product = chip.profile.function.productDataAt + 2;
    for (const [offset, bytes, , writable, clearable = 0] of this.#fields)
      for (let i = 0; i < bytes; i++) {
        this.#writable[offset + i] = writable >>> (8 * i);
        this.#clearable[offset + i] = clearable >>> (8 * i);
      }
    this.powerOn();
  }

  powerOn(): void {
    this.#page.words.fill(0);
    this.busReset();
  }

  /** All but what auxiliary power keeps: whether PME is wanted, and whether there was one (PCI PM 1.2, 3.2.4). */
  busReset(): void {
    const kept = this.#page.get(this.#pmcsr, 2) & (Pmcsr.enable | Pmcsr.status);
    this.#page.words.fill(0);
    for (const [offset, bytes, value] of this.#fields) this.#page.put(offset, bytes, value);
    this.#page.put(this.#pmcsr, 2, this.#page.get(this.#pmcsr, 2) | kept);
    this.state = 0;
    this.#decode();
  }

  /** Whether a change from D3hot to D0 leaves all registers as they were. */
  get keepsState(): boolean {
    return (this.#page.get(this.#pmcsr, 2) & Pmcsr.noSoftReset) !== 0;
  }

  /** Whether the guest takes interrupts from the line. */
  get interruptsOn(): boolean {
    return (this.#page.get(COMMAND, 2) & Command.interruptOff) === 0;
  }

  /** There was a reason to wake up. Returns whether PME is to be signalled. */
  wake(): boolean {
    const before = this.#page.get(this.#pmcsr, 2);
    this.#page.put(this.#pmcsr, 2, before | Pmcsr.status);
    return (before & Pmcsr.enable) !== 0;
  }

  /** Nobody answered the chip on the bus. */
  masterAborted(): void {
    this.#page.put(STATUS, 2, this.#page.get(STATUS, 2) | Status.masterAbort);
  }

  read(offset: number, width: AccessWidth): number {
    if (offset + width > this.#bytes) return ones(width);
    if (offset <= STATUS && offset + width > STATUS) this.#showInterrupt();
    return this.#page.get(offset, width);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (offset + width > this.#bytes) return;
    for (let i = 0; i < width; i++) {
      const at = offset + i;
      const byte = value >>> (8 * i);
      const writable = this.#writable[at]!;
      const old = this.#page.get(at, 1) & ~(byte & this.#clearable[at]!);
      this.#page.put(at, 1, (old & ~writable) | (byte & writable));
    }
    const flag = this.#product + 1;
    if (offset <= flag && offset + width > flag) this.#transferProductData();
    this.#power();
  }

  /**
   * The flag was written, so the other side has its turn and turns it over (PCI 3.0, appendix I). What is written is not
   * kept: drivers enable the EEPROM first, by another way.
   */
  #transferProductData(): void {
    const address = this.#page.get(this.#product, 2);
    this.#page.put(this.#product, 2, address ^ PRODUCT_DATA_FLAG);
    if ((address & PRODUCT_DATA_FLAG) === 0)
      this.#page.put(this.#product + 2, 4, this.#parts.productData(address & ~3));
  }

  #showInterrupt(): void {
    const status = this.#page.get(STATUS, 2) & ~Status.interrupt;
    this.#page.put(STATUS, 2, this.#parts.interrupting() ? status | Status.interrupt : status);
  }

  /**
   * A function goes down from any state to a deeper one, and up only to D0; nobody says what it does when told otherwise,
   * so here it stays where it is.
   */
  #power(): void {
    const before = this.state;
    const asked = (this.#page.get(this.#pmcsr, 1) & Pmcsr.state) as PowerState;
    const legal = asked === 0 || asked > before;
    if (!legal) this.#page.put(this.#pmcsr, 1, (this.#page.get(this.#pmcsr, 1) & ~Pmcsr.state) | before);
    this.state = legal ? asked : before;
    this.#decode();
    if (this.state !== before) this.#parts.powered(this.state, before);
  }

  #decode(): void {
    const command = this.state === 0 ? this.#page.get(COMMAND, 2) : 0;
    this.busMaster = (command & Command.busMaster) !== 0;
    this.memory = (command & Command.memory) !== 0;
    this.io = (command & Command.io) !== 0;
  }
}
