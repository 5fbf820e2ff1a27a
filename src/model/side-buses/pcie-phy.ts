/** The PCI Express PHY (EPHY): numbered registers of 16 bits. */
import type { Chip } from "#chip/chips.ts";
import type { Access } from "../registers/handshake.ts";
import { type Words, wordsOf } from "../observation/state.ts";
import type { MacOcp } from "./mac-ocp.ts";

/** 8168H: bits 1:0 of this MAC-OCP register select one of four banks of 32 registers. */
const BANK = 0xde28;
/** 8127: the register that selects a page of 128 registers. */
const PAGE_SELECT = 0x7e;
const PAGES = 16;

/**
 * Registers keep the written value. A register number has 6 bits, or 7 from the 8125 on: DPDK `r8169_phy.c`
 * (EPHYAR_Reg_Mask and EPHYAR_Reg_Mask_v2, rtl8168_check_ephy_addr, rtl8127_check_ephy_ext_addr). Linux writes only 5
 * bits; real chips may ignore the bits above them.
 */
export class PciePhy {
  readonly #registers: Uint16Array;
  readonly #index: (number: number) => number;
  readonly #paged: boolean;
  #page = 0;

  constructor(chip: Chip, macOcp: MacOcp | undefined) {
    const { pciePhy } = chip.profile;
    this.#paged = pciePhy === "paged";
    this.#registers = new Uint16Array(this.#paged ? 0x80 * PAGES : 0x80);
    if (this.#paged) this.#index = (number) => 0x80 * this.#page + (number & 0x7f);
    else if (pciePhy === "banked" && macOcp !== undefined)
      this.#index = (number) => {
        const bank = macOcp.read(BANK) & 3;
        return bank === 0 ? number & 0x3f : 0x20 * bank + (number & 0x1f);
      };
    else {
      const mask = pciePhy === "flat128" ? 0x7f : 0x3f;
      this.#index = (number) => number & mask;
    }
  }

  powerOn(): void {
    this.#registers.fill(0);
    this.#page = 0;
  }

  /** The contents by address; banks and pages are consecutive. */
  get state(): Words {
    return wordsOf(this.#registers);
  }

  readonly access: Access = (command, write) => {
    const number = (command >>> 16) & 0x7f;
    if (this.#paged && number === PAGE_SELECT) {
      if (write) this.#page = command & (PAGES - 1);
      return (command & ~0xffff) | this.#page;
    }
    const i = this.#index(number);
    if (write) this.#registers[i] = command;
    return (command & ~0xffff) | this.#registers[i]!;
  };
}
