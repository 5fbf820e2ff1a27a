/**
 * Registers in mapped memory. Each access must be exactly one access of the device. How V8 executes an access was
 * measured at the device, on a mapped BAR:
 * - `DataView` is split into single bytes until the code is optimised, and a read whose result is unused is removed.
 * - Two plain typed-array reads of one register in sequence are merged.
 * - `Atomics.load` on a typed array is always one access of the element's width: used to read registers.
 * - A plain typed-array store is always one access of the element's width: used to write registers.
 * - `Atomics.store` also reads: never used.
 */
import { OutOfRange } from "#kit/errors.ts";
import type { RegisterBus } from "#kit/mmio.ts";

/**
 * Little-endian, as PCI and the supported machines are. Offsets are naturally aligned: the type `Register` ensures it.
 * The memory must stay mapped as long as this object is used; the owner of the mapping ensures that with `Mmio.revoke`.
 */
export class MappedRegisters implements RegisterBus {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #shorts: Uint16Array;
  readonly #words: Int32Array;

  /**
   * @param memory a mapping of device memory
   * @param offset start of the window in `memory`, in bytes: a multiple of 4
   * @param length number of bytes in the window: a multiple of 4
   * @throws {OutOfRange} for a window that is not inside the memory, or not aligned to words
   */
  constructor(memory: ArrayBufferLike, offset = 0, length = memory.byteLength - offset) {
    if (!(offset >= 0 && length > 0 && offset + length <= memory.byteLength) || ((offset | length) & 3) !== 0)
      throw new OutOfRange(
        `a window of ${length} bytes at offset ${offset} of ${memory.byteLength} bytes is not possible`,
      );
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
