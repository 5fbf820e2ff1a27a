/** PCI configuration space: identity, decoding, bus mastering, power states. */
import type { Chip } from "#chip/chips.ts";
import {
  COMMAND,
  Command,
  type Field,
  layoutOf,
  type LayoutOptions,
  Pmcsr,
  regionsOf,
  Status,
  STATUS,
} from "./config-layout.ts";
import { type Words, wordsOf } from "../observation/state.ts";
import { type AccessWidth, ones, type Page } from "../registers/page.ts";

/** D0 to D3hot. In D3cold power is off and no state exists. */
export type PowerState = 0 | 1 | 2 | 3;

export interface ConfigParts extends LayoutOptions {
  /** The page that contains configuration space: 4 KiB. */
  readonly page: Page;
  readonly chip: Chip;
  /** Called when the guest changed the power state. */
  readonly powered: (state: PowerState, before: PowerState) => void;
  /** Whether the interrupt line is asserted. */
  readonly interrupting: () => boolean;
  /** Returns the four bytes of vital product data at an address, which is a multiple of four below 0x8000. */
  readonly productData: (address: number) => number;
}

/**
 * Flag in bit 15 of the address register for vital product data (VPD): set when a read is complete, cleared when a
 * write is complete.
 */
const PRODUCT_DATA_FLAG = 1 << 15;

/**
 * Configuration space. Most registers are memory with a mask of writable bits, kept in the page after the device's
 * registers; a few have side effects.
 *
 * Invariant: `busMaster`, `memory`, `io` and `state` agree with the page; outside D0 the first three are false.
 */
export class ConfigSpace {
  /** Whether the chip may access memory. */
  busMaster = false;
  /** Whether the chip's memory windows are decoded. */
  memory = false;
  /** Whether the chip's I/O window is decoded. */
  io = false;
  state: PowerState = 0;
  readonly #parts: ConfigParts;
  readonly #page: Page;
  readonly #bytes: number;
  readonly #fields: readonly Field[];
  readonly #writable: Uint8Array;
  readonly #clearable: Uint8Array;
  readonly #pmcsr: number;
  /** Offset of the VPD address register; the data register is two bytes after it. */
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

  /** Resets all but the state on auxiliary power: PME enable and status (PCI PM 1.2, 3.2.4). */
  busReset(): void {
    const kept = this.#page.get(this.#pmcsr, 2) & (Pmcsr.enable | Pmcsr.status);
    this.#page.words.fill(0);
    for (const [offset, bytes, value] of this.#fields) this.#page.put(offset, bytes, value);
    this.#page.put(this.#pmcsr, 2, this.#page.get(this.#pmcsr, 2) | kept);
    this.state = 0;
    this.#decode();
  }

  /** Whether a change from D3hot to D0 preserves all registers. */
  get keepsState(): boolean {
    return (this.#page.get(this.#pmcsr, 2) & Pmcsr.noSoftReset) !== 0;
  }

  /** Whether INTx is enabled. */
  get interruptsOn(): boolean {
    return (this.#page.get(COMMAND, 2) & Command.interruptOff) === 0;
  }

  /** Call when a wake-up event occurred. Returns whether PME must be signalled. */
  wake(): boolean {
    const before = this.#page.get(this.#pmcsr, 2);
    this.#page.put(this.#pmcsr, 2, before | Pmcsr.status);
    return (before & Pmcsr.enable) !== 0;
  }

  /** Called when the chip's access to the bus ended with a master abort. */
  masterAborted(): void {
    this.#page.put(STATUS, 2, this.#page.get(STATUS, 2) | Status.masterAbort);
  }

  /** The contents, in words of 16 bits. */
  get words(): Words {
    return wordsOf(
      Array.from({ length: this.#bytes >> 1 }, (_, i) => this.#page.get(2 * i, 2)),
      (i) => 2 * i,
    );
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
   * Called when the guest wrote the VPD address. The transfer completes at once, which inverts the flag (PCI 3.0,
   * appendix I). Written data is discarded, because drivers must enable writing to the EEPROM in another way.
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
   * Changes the power state. A function can change to a deeper state, or to D0. The effect of other requests is not
   * specified; the model ignores them.
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
