/** The register page: current values of all registers, little endian, in memory that a bus may share with its guest. */
import type { Chip } from "#chip/chips.ts";

const PAGE = 4096;

/** Length in bytes of the register page, a multiple of 4 KiB. Configuration space follows it. */
export const registerBytes = (chip: Chip): number => Math.max(PAGE, chip.profile.function.windowBytes);
export const CONFIG_BYTES = 4096;
/** Number of bytes of memory that a model needs: registers, then configuration space. */
export const pageBytes = (chip: Chip): number => registerBytes(chip) + CONFIG_BYTES;

/**
 * Byte offset in the register page of a word that counts raised events: the page's last word, where no chip has a
 * register. A guest's thread that reads the interrupt status directly from the page loads this word first, and its bus
 * passes that value to the model with the acknowledge (`Rtl8169.seen`).
 */
export const raisedAt = (chip: Chip): number => registerBytes(chip) - 4;

export type AccessWidth = 1 | 2 | 4;

/** All ones as an unsigned number of `width` bytes: the result of a read to which no device responds. */
export const ones = (width: AccessWidth): number => (width === 4 ? 0xffff_ffff : (1 << (8 * width)) - 1);

/**
 * Words that one thread writes and any thread may read. The host must be little endian, as all machines that run Node
 * are.
 *
 * Invariant: an aligned register is stored with a single 32-bit store, so a reader never sees half of it.
 */
export class Page {
  readonly words: Int32Array;
  /** Whether other threads may see stores in another order (arm64); Atomics then preserve the order. */
  readonly weaklyOrdered: boolean;

  /** @param at byte offset in `memory`, a multiple of 4 */
  constructor(memory: ArrayBufferLike, at: number, length: number, weaklyOrdered = true) {
    this.words = new Int32Array(memory, at, length >> 2);
    this.weaklyOrdered = weaklyOrdered;
  }

  /** Stores a word. A thread that sees the new value also sees all earlier stores. */
  publish(index: number, word: number): void {
    if (this.weaklyOrdered) Atomics.store(this.words, index, word);
    else this.words[index] = word;
  }

  /** Reads an unsigned number. Its bytes must be inside the page, but need not be aligned. */
  get(offset: number, width: AccessWidth): number {
    const shift = 8 * (offset & 3);
    const low = this.words[offset >> 2]! >>> shift;
    if (shift + 8 * width <= 32) return width === 4 ? low : low & ones(width);
    const high = this.words[(offset >> 2) + 1]! << (32 - shift);
    return ((low | high) & ones(width)) >>> 0;
  }

  put(offset: number, width: AccessWidth, value: number): void {
    const shift = 8 * (offset & 3);
    const i = offset >> 2;
    const mask = ones(width) << shift;
    Atomics.store(this.words, i, (this.words[i]! & ~mask) | ((value << shift) & mask));
    if (shift + 8 * width <= 32) return;
    const rest = ones(width) >>> (32 - shift);
    Atomics.store(this.words, i + 1, (this.words[i + 1]! & ~rest) | ((value >>> (32 - shift)) & rest));
  }
}
