/** Data memory of the PHY's microcontroller, accessed through a window of two registers. */

/** Bytes below this address; above are the controller's registers, among them the port for its firmware. */
const REGISTERS = 0xa000;

/**
 * The address register, then the data register. A data word has its high byte first: parameters may have odd addresses,
 * and drivers change one in the upper half without affecting the next (0x80ec and 0x80ed in DPDK `rtl8168ep.c`).
 *
 * The address increments after a write, so a table needs its address once (0x81b3 in DPDK `rtl8125a.c`). It does not
 * after a read, because drivers modify words in place. It also stays at the controller's registers: firmware is written
 * to one of them word by word. Firmware is accepted but not run.
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
