/** The data memory of the PHY's own controller, seen through a window of two registers. */

/** Below this are bytes; above are the controller's registers, among them the port that takes its program. */
const REGISTERS = 0xa000;

/**
 * The address register, then the data register. Data is a word, high byte first: parameters lie at odd addresses too, and
 * drivers change one in the upper half without harm to its neighbour (0x80ec and 0x80ed in DPDK `rtl8168ep.c`).
 *
 * The address moves on after a write, so that a table needs its address once (0x81b3 in DPDK `rtl8125a.c`); it does not
 * after a read, or no driver could change a word in place. At the controller's registers it stays: a program is written to
 * one of them word by word. Programs are taken and not run.
 */
export class PhyMemory {
  readonly #bytes = new Uint8Array(0x1_0000);
  #address = 0;

  clear(): void {
    this.#bytes.fill(0);
    this.#address = 0;
  }

  get address(): number {
    return this.#address;
  }
  set address(address: number) {
    this.#address = address & 0xffff;
  }

  get data(): number {
    return (this.#bytes[this.#address]! << 8) | this.#bytes[(this.#address + 1) & 0xffff]!;
  }
  set data(word: number) {
    this.#bytes[this.#address] = word >>> 8;
    this.#bytes[(this.#address + 1) & 0xffff] = word;
    if (this.#address < REGISTERS) this.#address += 2;
  }
}
