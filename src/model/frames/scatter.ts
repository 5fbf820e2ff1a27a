/** A frame in several buffers of guest memory. Copying it also computes its partial sum. */
import { MAX_DESCRIPTORS } from "#chip/descriptors.ts";
import type { MemoryRegion } from "#kit/target.ts";
import { copyAndSum } from "#wire/checksum.ts";
import type { Memory } from "#wire/memory.ts";

const swap16 = (sum: number): number => ((sum & 0xff) << 8) | (sum >>> 8);

/**
 * Up to `MAX_DESCRIPTORS` pieces; position 0 is the first byte of the first piece. One object is reused for each frame.
 * Sums are partial sums as in `#wire/checksum.ts`; they treat the copied bytes as contiguous.
 */
export class ScatterList {
  readonly #regions: MemoryRegion[] = [];
  readonly #offsets = new Int32Array(MAX_DESCRIPTORS);
  readonly #lengths = new Int32Array(MAX_DESCRIPTORS);
  #count = 0;
  #total = 0;
  /** The piece that was used last. The next search starts there, because most frames are copied from front to back. */
  #piece = 0;
  /** Position of the first byte of that piece. */
  #start = 0;

  /** Number of bytes in all pieces. */
  get length(): number {
    return this.#total;
  }

  clear(): void {
    this.#count = 0;
    this.#total = 0;
    this.#piece = 0;
    this.#start = 0;
  }

  /** Appends `length` bytes at `offset` of `region`, which must contain them. At most `MAX_DESCRIPTORS` calls. */
  add(region: MemoryRegion, offset: number, length: number): void {
    if (length === 0) return;
    const last = this.#count - 1;
    // Adjacent buffers, such as consecutive pages, form one piece.
    if (last >= 0 && this.#regions[last] === region && offset === this.#offsets[last]! + this.#lengths[last]!) {
      this.#lengths[last] = this.#lengths[last]! + length;
      this.#total += length;
      return;
    }
    this.#regions[this.#count] = region;
    this.#offsets[this.#count] = offset;
    this.#lengths[this.#count] = length;
    this.#count++;
    this.#total += length;
  }

  /**
   * Byte offset in `memory` of the `length` bytes at `position`, if they are contiguous in that memory; otherwise -1.
   */
  placeIn(memory: Memory, position: number, length: number): number {
    const { sums } = memory;
    if (sums === undefined || length <= 0) return -1;
    this.#seek(position);
    const skip = position - this.#start;
    const piece = this.#piece;
    const whole = this.#regions[piece]!.sums === sums && skip + length <= this.#lengths[piece]!;
    return whole ? this.#offsets[piece]! + skip : -1;
  }

  /** Copies `length` bytes at `position` to `to`. They must be in the list. */
  copyOut(position: number, length: number, to: Memory, toOffset: number): number {
    const skip = position - this.#start;
    const piece = this.#piece;
    // Usually all bytes are in the piece that was used last.
    if (skip >= 0 && length > 0 && skip + length <= this.#lengths[piece]!)
      return copyAndSum(this.#regions[piece]!, this.#offsets[piece]! + skip, to, toOffset, length);
    return this.#copy(position, length, to, toOffset, true);
  }

  /** Copies `length` bytes of `from` to `position`. They must fit in the list. */
  copyIn(position: number, length: number, from: Memory, fromOffset: number): number {
    return this.#copy(position, length, from, fromOffset, false);
  }

  /**
   * Writes the first `length` bytes back to guest memory, where regions are copies of it. Returns false if that memory
   * no longer exists, or its owner does not respond.
   */
  store(length: number): boolean {
    let left = length;
    for (let n = 0; n < this.#count && left > 0; n++) {
      const part = Math.min(left, this.#lengths[n]!);
      if (this.#regions[n]!.copy?.store(this.#offsets[n]!, part) === false) return false;
      left -= part;
    }
    return true;
  }

  #copy(position: number, length: number, memory: Memory, offset: number, out: boolean): number {
    if (length <= 0) return 0;
    this.#seek(position);
    let done = 0;
    let total = 0;
    while (done < length) {
      const skip = position + done - this.#start;
      const available = this.#lengths[this.#piece]! - skip;
      const n = Math.min(available, length - done);
      const region = this.#regions[this.#piece]!;
      const at = this.#offsets[this.#piece]! + skip;
      const sum = out
        ? copyAndSum(region, at, memory, offset + done, n)
        : copyAndSum(memory, offset + done, region, at, n);
      // The sum's bytes are swapped if a part starts at an odd position (RFC 1071, section 2 (B)).
      total += (done & 1) === 0 ? sum : swap16(sum);
      done += n;
      if (n === available && done < length) this.#advance();
    }
    return total;
  }

  #seek(position: number): void {
    if (position < this.#start) {
      this.#piece = 0;
      this.#start = 0;
    }
    while (position - this.#start >= this.#lengths[this.#piece]! && this.#piece + 1 < this.#count) this.#advance();
  }

  #advance(): void {
    this.#start += this.#lengths[this.#piece]!;
    this.#piece++;
  }
}
