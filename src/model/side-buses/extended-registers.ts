/** Extended registers (ERI), of 32 bits each. A command has an address, a type of registers, and byte enables. */
import type { Chip } from "#chip/chips.ts";
import { ERIDR, Eri } from "#chip/registers.ts";
import type { Access } from "../registers/handshake.ts";
import { type Words, wordsOf } from "../observation/state.ts";
import type { Management } from "./management.ts";
import type { Page } from "../registers/page.ts";

const WORDS = 0x400;
const TYPES = 4;
/**
 * Address of a copy of the factory's station address, which does not change when a driver writes the station address
 * registers.
 */
const MAC_COPY = 0xe0;
/**
 * Bits 29:18 of a command: the base address of the 8168FP's management controller, or 0. DPDK RTL8168FP_OOBMAC_BASE.
 */
const BASE = 0xfff << 18;
const OOB_BASE = 0xf70 << 18;

/** Mask for the byte enables of a command word. */
export const byteMask = (enables: number): number =>
  (enables & 1 ? 0xff : 0) |
  (enables & 2 ? 0xff00 : 0) |
  (enables & 4 ? 0xff_0000 : 0) |
  (enables & 8 ? 0xff00_0000 : 0);

/** With an unknown base address, a read returns all ones and a write has no effect. */
export class ExtendedRegisters {
  readonly #page: Page;
  readonly #mac: Uint8Array | undefined;
  readonly #copies: boolean;
  readonly #words = new Int32Array(TYPES * WORDS);
  readonly #management: Management | undefined;
  readonly #written: (address: number) => void;

  /**
   * @param management registers of the management controller, if the chip has one @param written called when an
   *   ordinary register was written
   */
  constructor(
    page: Page,
    chip: Chip,
    mac: Uint8Array | undefined,
    management: Management | undefined,
    written: (address: number) => void = () => {},
  ) {
    this.#page = page;
    this.#written = written;
    this.#mac = mac;
    this.#copies = chip.profile.addressCopies.includes("eri");
    this.#management = management;
    this.powerOn();
  }

  powerOn(): void {
    this.#words.fill(0);
    if (!this.#copies || this.#mac === undefined) return;
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.#mac;
    const i = Eri.exgmac * WORDS + (MAC_COPY >> 2);
    this.#words[i] = a | (b << 8) | (c << 16) | (d << 24);
    this.#words[i + 1] = e | (f << 8);
  }

  /** An ordinary register (type 0). */
  exgmac(address: number): number {
    return this.#words[(address & 0xfff) >> 2]!;
  }

  /** The contents. Addresses have the type of register above bit 11. */
  get state(): Words {
    return wordsOf(this.#words, (i) => 4 * i);
  }

  readonly access: Access = (command, write) => {
    const type = (command >>> 16) & 3;
    const address = command & 0xffc;
    const base = command & BASE;
    const outOfBand = type === Eri.oob && this.#management !== undefined;
    const known = base === 0 || (outOfBand && base === OOB_BASE);
    if (!write) {
      this.#page.put(ERIDR, 4, known ? this.#read(outOfBand, type, address) : -1);
      return command;
    }
    if (known) this.#write(outOfBand, type, address, byteMask(command >>> 12));
    return command;
  };

  #read(outOfBand: boolean, type: number, address: number): number {
    return outOfBand ? this.#management!.read(address) : this.#words[type * WORDS + (address >> 2)]!;
  }

  #write(outOfBand: boolean, type: number, address: number, mask: number): void {
    const value = this.#page.get(ERIDR, 4);
    if (outOfBand) {
      this.#management!.write(address, value, mask);
      return;
    }
    const i = type * WORDS + (address >> 2);
    this.#words[i] = (this.#words[i]! & ~mask) | (value & mask);
    if (type === Eri.exgmac) this.#written(address);
  }
}
