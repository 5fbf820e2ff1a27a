/**
 * Registers in mapped memory, each access exactly one access of the device.
 *
 * What the engine makes of an access was measured on a mapped BAR, where the device saw what arrived:
 * - `DataView` is split into single bytes until the code is optimised, and a read whose result is unused is left out.
 * - Two plain typed-array reads of one register with nothing between them become one.
 * - `Atomics.load` on a typed array is one access of the element's width, always: it reads registers.
 * - A plain typed-array store is one access of the element's width, always: it writes registers.
 * - `Atomics.store` also reads: never.
 */
import { OutOfRange } from "#kit/errors.ts";
import type { RegisterBus } from "#kit/mmio.ts";

/**
 * Little-endian, as PCI is and as every machine is that this runs on. Offsets are naturally aligned: `Register` says so.
 * The memory must answer as long as this is used; `Mmio.revoke` is how its owner makes sure.
 */
export class MappedRegisters implements RegisterBus {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #shorts: Uint16Array;
  readonly #words: Int32Array;

  /**
   * @param memory a mapping of device memory
   * @param offset where the window starts in it, in bytes: a multiple of 4
   * @param length bytes in the window: a multiple of 4
   * @throws {OutOfRange} for a window that does not lie in the memory, or not on words
   */
  constructor(memory: ArrayBufferLike, offset = 0, length = memory.byteLength - offset) {
    if (!(offset >= 0 && length > 0 && offset + length <= memory.byteLength) || ((offset | length) & 3) !== 0)
      throw new OutOfRange(`a register window of ${length} bytes at ${offset} of ${memory.byteLength}`);
    this.length = length;
    this.#bytes = new Uint8Array(memory, offset, length);
    this.#shorts = new Uint16Array(memory, offset, length >> 1);
    this.#words = new Int32Array(memory, offset, length >> 2);
  }

  read(offset: number, width: 1 | 2 | 4): number {
    if (width === 4) return Atomics.load(this.#words, offset >> 2) >>> 0;
    return width === 2 ? Atomics.load(this.#shorts, offset >> 1) : Atomics.load(this.#bytes, offset);
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (width === 4) this.#words[offset >> 2] = value;
    else if (width === 2) this.#shorts[offset >> 1] = value;
    else this.#bytes[offset] = value;
  }
}
