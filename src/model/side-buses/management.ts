/** The management controller (DASH): its registers, and the responses of its firmware to a driver. */
import type { Chip } from "#chip/chips.ts";
import { EP, type ManagementRegisters } from "#chip/management.ts";
import { type Words, wordsOf } from "../observation/state.ts";
import type { Page } from "../registers/page.ts";
import type { Schedule } from "../registers/schedule.ts";

const WORDS = 0x400;
/** Messages from a driver. */
const DRIVER_START = 5;
const DRIVER_STOP = 6;
/** Response time of the firmware; drivers wait 100 ms. */
const ANSWER_MICROS = 10_000;
/** Firmware version, major number in the low half; drivers accept every value except 0 and all ones. */
const VERSION = 0x0003_0000;

/** Whether this chip has a management controller. */
export const isManaged = (chip: Chip): boolean => chip.profile.management !== undefined;

/**
 * Registers of 32 bits at multiples of 4. Without firmware they keep the written value and nothing responds, as on
 * boards that do not use the controller.
 *
 * Sources: DPDK `drivers/net/r8169/r8169_dash.c` for the 8168EP and 8125BP; for the 8168DP, which DPDK does not
 * support, what Linux's driver expects.
 */
export class Management {
  readonly #words = new Int32Array(WORDS);
  readonly #layout: ManagementRegisters;
  readonly #firmware: boolean;
  readonly #schedule: Schedule;
  /** On an 8168DP: reads the word that the driver writes to an extended register. */
  readonly #readMessage: () => number;
  #cancel: (() => void) | undefined;

  /** @param firmware whether management firmware runs */
  constructor(chip: Chip, firmware: boolean, schedule: Schedule, readMessage: () => number) {
    this.#layout = chip.profile.management ?? EP;
    this.#firmware = firmware;
    this.#schedule = schedule;
    this.#readMessage = readMessage;
    this.powerOn();
  }

  powerOn(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#words.fill(0);
    if (!this.#firmware) return;
    const { enabled, version } = this.#layout;
    this.#set(enabled, true);
    if (version !== undefined) this.#words[version >> 2] = VERSION;
  }

  /** @param address 0 to 0xfff, rounded down to a multiple of 4 */
  read(address: number): number {
    return this.#words[(address & 0xfff) >> 2]!;
  }

  /** @param mask the bits of the bytes that are written */
  write(address: number, value: number, mask: number): void {
    const i = (address & 0xfff) >> 2;
    this.#words[i] = (this.#words[i]! & ~mask) | (value & mask);
    if (this.#firmware && i === this.#layout.bell >> 2 && (value & mask & 1) !== 0) this.#ring();
  }

  get state(): Words {
    return wordsOf(this.#words, (i) => 4 * i);
  }

  #ring(): void {
    this.#words[this.#layout.bell >> 2]! &= ~1;
    const { word } = this.#layout;
    const message = word === undefined ? this.#readMessage() : this.read(word);
    if (message !== DRIVER_START && message !== DRIVER_STOP) return;
    this.#cancel?.();
    this.#cancel = this.#schedule.after(ANSWER_MICROS, () => {
      this.#cancel = undefined;
      this.#set(this.#layout.ready, message === DRIVER_START);
    });
  }

  #set([address, bit]: readonly [number, number], on: boolean): void {
    const i = address >> 2;
    this.#words[i] = on ? this.#words[i]! | bit : this.#words[i]! & ~bit;
  }
}

/** The mailbox between the NIC's MAC and the management controller's MAC: registers 0xf8 to 0xfb. */
const CONTROL2 = 0xf9;
const STATUS = 0xfb;
const TRANSMIT_IDLE = 1 << 5;

/**
 * The driver stops the controller's transmitter by clearing bit 0 of `CONTROL2`, waits up to 100 ms for a status bit,
 * and clears the status bit by writing a one (DPDK rtl_dash2_disable_tx). The model's controller never has a frame in
 * transmission.
 */
export class Mailbox {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** Called when CONTROL2 was written. */
  control(value: number, lanes: number): void {
    if ((lanes & 1) !== 0 && (value & 1) === 0) this.#page.put(STATUS, 1, this.#page.get(STATUS, 1) | TRANSMIT_IDLE);
  }

  /** Called when STATUS was written. */
  acknowledge(value: number): void {
    this.#page.put(STATUS, 1, this.#page.get(STATUS, 1) & ~value);
  }

  /**
   * All four registers as one word, as read through CSI in the PCI function of the controller (DPDK
   * rtl8168_csi_to_cmac_r32).
   */
  read(): number {
    return this.#page.get(0xf8, 4);
  }
  write(value: number, mask: number): void {
    for (const at of [0xf8, CONTROL2, 0xfa]) {
      const shift = 8 * (at & 3);
      if (((mask >>> shift) & 0xff) === 0) continue;
      this.#page.put(at, 1, (value >>> shift) & 0xff);
      if (at === CONTROL2) this.control((value >>> shift) & 0xff, 0xff);
    }
    if (mask >>> 24 !== 0) this.acknowledge(value >>> 24);
  }
}
