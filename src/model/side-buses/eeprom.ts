/** The serial EEPROM of chips without EFUSE: a 93C46, whose four pins a driver controls through Cfg9346. */
import type { Chip } from "#chip/chips.ts";
import type { Access } from "../registers/handshake.ts";
import { MAC_WORD, Pins, SIGNATURE } from "#chip/eeprom.ts";

const WORDS = 64;
const ADDRESS_BITS = 6;
const COMMAND_BITS = 2 + ADDRESS_BITS;

/**
 * Contents from the factory: signature, PCI identity, station address if given; the rest is blank. Layout as FreeBSD's
 * re(4) reads it.
 */
export const imageOf = (chip: Chip, device: number, mac: Uint8Array | undefined): Uint16Array => {
  const words = new Uint16Array(WORDS).fill(0xffff);
  words[0] = SIGNATURE;
  words[1] = 0x10ec;
  words[2] = device;
  words[3] = 0x10ec;
  words[4] = device;
  if (chip.bus === "pci") words[5] = 0x4020; // Max_Lat 64 and Min_Gnt 32, in quarters of a microsecond.
  if (mac !== undefined) for (let i = 0; i < 3; i++) words[MAC_WORD + i] = mac[2 * i]! | (mac[2 * i + 1]! << 8);
  return words;
};

/**
 * A 93C46 with 64 words (Microwire): a command is a start bit, two bits of opcode and six of address, most significant
 * first, sampled at the rising clock while the chip is selected. A read outputs a 0, then words until the chip is
 * deselected. A write takes a word and is executed when the chip is deselected; writing must be enabled before.
 */
export class Eeprom {
  readonly words: Uint16Array;
  #pins = 0;
  /** Number of bits received since the start bit; -1 before it. */
  #taken = -1;
  #command = 0;
  #data = 0;
  /** Address that is being read. */
  #address = 0;
  /** Number of the next bit to output; -1 while nothing is being read. */
  #bit = -1;
  #output = 1;
  #writable = false;

  constructor(words: Uint16Array) {
    this.words = words;
  }

  /** Sets the pins as after power-on; the contents are preserved. */
  powerOn(): void {
    this.#writable = false;
    this.#rest();
    this.#pins = 0;
  }

  /** Two words, the first in the low half. The address wraps after the last word. */
  doubleWord(at: number): number {
    return (this.words[at % WORDS]! | (this.words[(at + 1) % WORDS]! << 16)) >>> 0;
  }

  /** Called when Cfg9346 was written. Returns the new value of Cfg9346 bit 0, which is the EEPROM's output pin. */
  setPins(pins: number): number {
    const before = this.#pins;
    this.#pins = (pins & Pins.mode) === Pins.programming ? pins : 0;
    const selected = (this.#pins & Pins.select) !== 0;
    if (!selected) {
      if ((before & Pins.select) !== 0) this.#finish();
      return 0;
    }
    if ((this.#pins & ~before & Pins.clock) !== 0) this.#clock((this.#pins & Pins.input) === 0 ? 0 : 1);
    return this.#output;
  }

  #clock(input: number): void {
    if (this.#bit >= 0) this.#shiftOut();
    else if (this.#taken < 0) {
      if (input === 1) this.#taken = 0;
    } else if (this.#taken < COMMAND_BITS) {
      this.#command = (this.#command << 1) | input;
      if (++this.#taken === COMMAND_BITS) this.#decode();
    } else {
      this.#data = ((this.#data << 1) | input) & 0xffff;
      this.#taken++;
    }
  }

  #shiftOut(): void {
    this.#output = (this.words[this.#address]! >>> this.#bit) & 1;
    if (--this.#bit >= 0) return;
    this.#bit = 15;
    this.#address = (this.#address + 1) % WORDS;
  }

  #decode(): void {
    if (this.#command >>> ADDRESS_BITS !== 2) return;
    this.#address = this.#command % WORDS;
    this.#bit = 15;
    this.#output = 0;
  }

  /** Called when the chip was deselected: executes a complete command. */
  #finish(): void {
    const opcode = this.#command >>> ADDRESS_BITS;
    const address = this.#command % WORDS;
    const whole = this.#taken === COMMAND_BITS + 16;
    if (this.#taken >= COMMAND_BITS) {
      if (opcode === 0) this.#special(address >>> (ADDRESS_BITS - 2), whole);
      else if (this.#writable && opcode === 1 && whole) this.words[address] = this.#data;
      else if (this.#writable && opcode === 3) this.words[address] = 0xffff;
    }
    this.#rest();
  }

  #rest(): void {
    this.#taken = -1;
    this.#command = 0;
    this.#data = 0;
    this.#bit = -1;
    this.#output = 1;
  }

  /** Disables or enables writing, or writes or erases all words. */
  #special(kind: number, whole: boolean): void {
    if (kind === 0) this.#writable = false;
    else if (kind === 3) this.#writable = true;
    else if (this.#writable && kind === 2) this.words.fill(0xffff);
    else if (this.#writable && whole) this.words.fill(this.#data);
  }
}

const FUSE_BYTES = 0x400;

/**
 * One-time programmable memory (EFUSE) of the 8168D and later, read and programmed through EFUSEAR. The command word
 * has the address in bits 17:8 and the data in 7:0 (DPDK `r8169_compat.h`, EFUSE_*). A blank memory is all ones, and
 * programming only clears bits. Other memories of this kind work like this; for this one it is not documented. The
 * contents are kept without power.
 */
export class Efuse {
  readonly #bytes = new Uint8Array(FUSE_BYTES).fill(0xff);

  readonly access: Access = (command, write) => {
    const i = (command >>> 8) & (FUSE_BYTES - 1);
    if (write) this.#bytes[i]! &= command;
    return (command & ~0xff) | this.#bytes[i]!;
  };
}
