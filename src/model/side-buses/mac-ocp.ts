/** MAC-OCP registers from the 8168G on: 16 bits at even addresses of a space of 64 KiB. */
import type { Chip } from "#chip/chips.ts";
import { FLAG, MACOCP } from "#chip/registers.ts";
import { type Space, type Words, wordsOf } from "../observation/state.ts";
import { ocpAddress } from "../phy/ocp-address.ts";
import type { Page } from "../registers/page.ts";

/** Memory for MAC firmware; on the 8125 and later it has four pages, selected by bits 1:0 of another register. */
const FIRMWARE_AT = 0xf800;
const FIRMWARE_END = 0xfa00;
const FIRMWARE_WORDS = (FIRMWARE_END - FIRMWARE_AT) >> 1;
const FIRMWARE_PAGE = 0xe446;
const FIRMWARE_PAGES = 4;
const programAddress = (i: number): number =>
  0x1_0000 * Math.floor(i / FIRMWARE_WORDS) + FIRMWARE_AT + 2 * (i % FIRMWARE_WORDS);
/** 8125 and later: bit 7 is set while the PHY is not in ALDPS (power saving while no cable is plugged in). */
const ALDPS_STATE = 0xe908;
const ALDPS_AWAKE = 1 << 7;
/** 8127: the register in whose low byte Linux's r8169 looks for an SFP cage. */
const MEDIUM = 0xd006;
const FIBRE = 7;

/**
 * There is no handshake: data is valid at the next read. Settings for power, latency and FIFOs are kept without effect;
 * `read` handles the few registers that report the chip's state. Firmware is accepted but not run.
 *
 * Sources: DPDK `drivers/net/r8169/r8169_hw.c` (rtl_mac_ocp_*, rtl_write_mac_mcu_ram_code, rtl_disable_aldps).
 */
export class MacOcp {
  readonly #page: Page;
  readonly #registers = new Uint16Array(0x8000);
  readonly #firmware: Uint16Array | undefined;

  readonly #fibre: boolean;
  /** Read-only bits that identify the chip. */
  readonly #identity: NonNullable<NonNullable<Chip["only"]>["macOcp"]>;

  constructor(page: Page, chip: Chip, fibre: boolean) {
    this.#page = page;
    this.#fibre = fibre;
    this.#identity = chip.only?.macOcp ?? [];
    if (chip.profile.macOcp === "paged") this.#firmware = new Uint16Array(FIRMWARE_WORDS * FIRMWARE_PAGES);
  }

  /** Called when the command word was written: address in bits 30:15, and data in 15:0 if the flag is set. */
  command(word: number, lanes: number): void {
    if ((lanes | 0) !== -1) return;
    const address = ocpAddress(word);
    if ((word & FLAG) !== 0) this.write(address, word & 0xffff);
    this.#page.put(MACOCP, 4, (word & 0x7fff_0000) | this.read(address));
  }

  /** @param address even, 0 to 0xfffe */
  read(address: number): number {
    for (const [at, mask, value] of this.#identity)
      if (at === address) return (this.#registers[address >> 1]! & ~mask) | value;
    if (this.#firmware === undefined) return this.#registers[address >> 1]!;
    if (address >= FIRMWARE_AT && address < FIRMWARE_END) return this.#firmware[this.#firmwareIndex(address)]!;
    const value = this.#registers[address >> 1]!;
    if (address === MEDIUM && this.#fibre) return (value & 0xff00) | FIBRE;
    return address === ALDPS_STATE ? value | ALDPS_AWAKE : value;
  }

  /** @param address even, 0 to 0xfffe */
  write(address: number, value: number): void {
    if (this.#firmware !== undefined && address >= FIRMWARE_AT && address < FIRMWARE_END)
      this.#firmware[this.#firmwareIndex(address)] = value;
    else this.#registers[address >> 1] = value;
  }

  powerOn(): void {
    this.#registers.fill(0);
    this.#firmware?.fill(0);
  }

  /** The contents. Addresses in the program's pages have the page's number above bit 15. */
  get state(): Readonly<Record<Extract<Space, "macOcp" | "macProgram">, Words>> {
    return {
      macOcp: wordsOf(this.#registers, (i) => 2 * i),
      macProgram: wordsOf(this.#firmware ?? [], programAddress),
    };
  }

  #firmwareIndex(address: number): number {
    const page = this.#registers[FIRMWARE_PAGE >> 1]! % FIRMWARE_PAGES;
    return page * FIRMWARE_WORDS + ((address - FIRMWARE_AT) >> 1);
  }
}
