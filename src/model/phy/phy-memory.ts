/** Data memory of the PHY's microcontroller, accessed through a window of two registers. */
import { addressKey, type Words, wordsOf } from "../observation/state.ts";

/**
 * Addresses below this one are memory; the others are the microcontroller's registers, among them the port for its firmware.
 */
const REGISTERS = 0xa000;

/** Constants of the checksum FNV-1a (32 bits), computed over words instead of bytes. */
const BASIS = 0x811c_9dc5;
const PRIME = 0x0100_0193;
const fold = (sum: number, word: number): number => Math.imul(sum ^ (word & 0xffff), PRIME) >>> 0;

/**
 * The window has an address register and a data register. A data word has its high byte first: a parameter may have an
 * odd address, and drivers change the parameter in the upper half of a word without changing the one in the lower half
 * (0x80ec and 0x80ed in DPDK `rtl8168ep.c`). A write increments the address, so a table needs its address only once
 * (0x81b3 in DPDK `rtl8125a.c`). A read leaves the address unchanged, because drivers read a word, change it and write
 * it back. A write to a register of the microcontroller also leaves the address unchanged, because firmware is written
 * to one such register word by word.
 * Firmware is accepted but not run; `state` has a checksum of each program.
 */
export class PhyMemory {
  readonly #bytes = new Uint8Array(0x1_0000);
  /** A checksum of the words written to each of the controller's registers since its address was set. */
  readonly #programs = new Map<number, number>();
  #address = 0;

  clear(): void {
    this.#bytes.fill(0);
    this.#programs.clear();
    this.#address = 0;
  }

  /** Stores a word, on behalf of the controller itself. @param at below the controller's registers */
  store(at: number, word: number): void {
    this.#bytes[at] = word >>> 8;
    this.#bytes[at + 1] = word;
  }

  get address(): number {
    return this.#address;
  }
  set address(address: number) {
    this.#address = address & 0xffff;
    this.#programs.delete(this.#address);
  }

  get data(): number {
    return (this.#bytes[this.#address]! << 8) | this.#bytes[(this.#address + 1) & 0xffff]!;
  }
  set data(word: number) {
    this.#bytes[this.#address] = word >>> 8;
    this.#bytes[(this.#address + 1) & 0xffff] = word;
    if (this.#address < REGISTERS) this.#address += 2;
    else this.#programs.set(this.#address, fold(this.#programs.get(this.#address) ?? BASIS, word));
  }

  /**
   * Bytes of the memory. Addresses of the controller's registers have a checksum of the words written there instead.
   * @param base added to addresses
   */
  state(base: number): Words {
    const programs = [...this.#programs].map(([at, sum]) => [addressKey(base + at), sum]);
    const bytes = wordsOf(this.#bytes.subarray(0, REGISTERS), (at) => base + at);
    return { ...bytes, ...(Object.fromEntries(programs) as Words) };
  }
}
