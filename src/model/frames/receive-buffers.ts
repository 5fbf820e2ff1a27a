/** Receive buffers: takes descriptors from a ring, fills their buffers, and returns them to the guest. */
import { EndOfRing, MAX_DESCRIPTORS, Own, Rx } from "#chip/descriptors.ts";
import { StampV3 } from "#chip/descriptors-8125.ts";
import type { FrameFacts } from "#chip/frames.ts";
import type { MemoryRegion } from "#kit/target.ts";
import { copyAndSum } from "#wire/checksum.ts";
import { MIN_FRAME } from "#wire/ethernet.ts";
import { type Memory, newMemory } from "#wire/memory.ts";
import { TAG } from "#wire/vlan.ts";
import { writeFrameCheck } from "./damaged.ts";
import type { ReceiveLayout } from "./receive-layout.ts";
import type { DescriptorRing } from "./ring.ts";
import { ScatterList } from "./scatter.ts";
import type { Offences } from "../observation/strict.ts";

// Local copies of imported constants, for speed: decision 8.
const OWN = Own;
const LENGTH = Rx.length;
const END_OF_RING = EndOfRing;
const ADDRESSES = TAG;
const FCS = 4;
const SECOND = 1_000_000_000n;

const ZEROS = newMemory(MIN_FRAME);
const NOWHERE: MemoryRegion = { address: 0, length: 0, ...newMemory(0) };
/** Required alignment of receive buffers (FreeBSD `if_rlreg.h`). */
const BUFFER_ALIGN = 8;

/**
 * The buffers of one ring. Nearly every frame fits into one buffer; for other frames, the buffers are in a list of
 * pieces.
 *
 * Invariants: a descriptor is written only while the chip owns it, opts1 last; a frame is written only after buffers
 * for all of it were found.
 */
export class ReceiveBuffers {
  readonly ring: DescriptorRing;
  readonly #offences: Offences;
  readonly #countsLastPiece: boolean;
  #layout: ReceiveLayout;
  /** Copies of the layout's fields that each frame needs. */
  #opts1Word = 0;
  #opts2Word = 0;
  #addressWord = 0;
  #ends = 0;
  /** Number of claimed descriptors. */
  #used = 0;
  /** Index of the descriptor after the claimed ones. */
  #next = 0;
  /** Region of the claimed buffer, if there is only one. */
  #region: MemoryRegion = NOWHERE;
  /** Offset of the claimed buffer in `#region`. */
  #place = 0;
  readonly #pieces = new ScatterList();
  readonly #opts1 = new Int32Array(MAX_DESCRIPTORS);
  readonly #at = new Int32Array(MAX_DESCRIPTORS);

  constructor(
    ring: DescriptorRing,
    layout: ReceiveLayout,
    parts: { readonly offences: Offences; readonly facts: Pick<FrameFacts, "countsLastPiece"> },
  ) {
    this.ring = ring;
    this.#offences = parts.offences;
    this.#countsLastPiece = parts.facts.countsLastPiece;
    this.#layout = layout;
    this.layout = layout;
    ring.filled = true;
    ring.inspect = () => this.#inspect();
  }

  /** Sets the descriptor format, which must also be the ring's format. */
  set layout(layout: ReceiveLayout) {
    this.#layout = layout;
    this.#opts1Word = layout.opts1;
    this.#opts2Word = layout.opts2;
    this.#addressWord = layout.address;
    this.#ends = layout.first | layout.last;
  }

  /** Whether the chip owns the next descriptor. */
  hasRoom(): boolean {
    const { ring } = this;
    if (!ring.map() || !ring.reaches(ring.index)) return false;
    return ring.owns((ring.at(ring.index) + this.#opts1Word) | 0);
  }

  /** Called when the ring was located in memory. Reports a buffer that the chip cannot use. */
  #inspect(): void {
    const { ring } = this;
    let index = 0;
    do {
      const start = ring.at(index);
      const opts1 = index < ring.reachable ? ring.opts1(start + this.#opts1Word, index) : 0;
      if ((opts1 & OWN) === 0) return;
      const low = ring.words[start + this.#addressWord]!;
      if ((opts1 & LENGTH) === 0 || (low & (BUFFER_ALIGN - 1)) !== 0) {
        this.#offences.commit("buffer", index);
        return;
      }
      index = ring.after(index, opts1);
    } while (index !== 0);
  }

  /** Claims descriptors with room for `bytes`. Returns false, and claims none, if the ring has too few. */
  claim(bytes: number): boolean {
    const { ring } = this;
    const { index } = ring;
    if (!ring.map() || !ring.reaches(index)) return false;
    const start = ring.at(index);
    const at = (start + this.#opts1Word) | 0;
    const opts1 = ring.opts1(at, 0);
    if ((opts1 & OWN) === 0) return false;
    const length = opts1 & LENGTH;
    if (length < bytes) return this.#claimSeveral(bytes);
    const place = ring.findBuffer((start + this.#addressWord) | 0, length);
    if (place < 0) return false;
    this.#place = place;
    this.#region = ring.buffers;
    this.#opts1[0] = opts1;
    this.#at[0] = at;
    this.#used = 1;
    this.#next = ring.after(index, opts1);
    return true;
  }

  #claimSeveral(bytes: number): boolean {
    const { ring } = this;
    this.#pieces.clear();
    let { index } = ring;
    for (let n = 0; n < MAX_DESCRIPTORS; n++) {
      if (!ring.reaches(index)) return false;
      const start = ring.at(index);
      const at = start + this.#opts1Word;
      const opts1 = ring.opts1(at, n);
      if ((opts1 & OWN) === 0) return false;
      if (!ring.addBuffer(start + this.#addressWord, opts1 & LENGTH, this.#pieces)) return false;
      this.#opts1[n] = opts1;
      this.#at[n] = at;
      index = ring.after(index, opts1);
      if (this.#pieces.length >= bytes) {
        this.#used = n + 1;
        this.#next = index;
        return true;
      }
      // The frame does not fit even into all buffers of the ring.
      if (index === ring.index) return false;
    }
    return false;
  }

  /**
   * Copies the frame, without its VLAN tag of `tag` (0 or 4) bytes, and appends the padding. Returns the partial sum
   * that `verifySummed` needs: the sum of the whole frame, or, with a tag, of the bytes after the tag.
   */
  write(from: Memory, frame: number, length: number, tag: number, padding: number): number {
    const behind = tag === 0 ? 0 : ADDRESSES + tag;
    if (this.#used > 1) return this.#scatter(from, frame, length, tag, padding);
    const to = this.#region;
    const place = this.#place;
    if (tag > 0) copyAndSum(from, frame, to, place, ADDRESSES);
    for (let at = place + length - tag, end = at + padding; at < end; at++) to.bytes[at] = 0;
    return copyAndSum(from, (frame + behind) | 0, to, (place + behind - tag) | 0, (length - behind) | 0);
  }

  /** Whether one buffer was claimed, in memory shared with the guest. */
  get isPlain(): boolean {
    return this.#used === 1 && this.#region.copy === undefined && !this.ring.copied;
  }

  /** Copies part of a frame to offset `at` of the single buffer. Returns its partial sum. */
  writePart(from: Memory, offset: number, at: number, length: number): number {
    return copyAndSum(from, offset, this.#region, (this.#place + at) | 0, length);
  }

  #scatter(from: Memory, frame: number, length: number, tag: number, padding: number): number {
    const pieces = this.#pieces;
    const behind = tag === 0 ? 0 : ADDRESSES + tag;
    if (tag > 0) pieces.copyIn(0, ADDRESSES, from, frame);
    const total = pieces.copyIn(behind - tag, length - behind, from, frame + behind);
    pieces.copyIn(length - tag, padding, ZEROS, 0);
    return total;
  }

  /**
   * Writes the FCS after the frame. If `wrong` is true, the FCS is incorrect.
   * @param stored number of bytes in the buffers: frame, padding and FCS
   */
  writeCheck(from: Memory, frame: number, length: number, padding: number, stored: number, wrong: boolean): void {
    const pieces = this.#pieces;
    if (this.#used === 1) {
      pieces.clear();
      pieces.add(this.#region, this.#place, stored);
    }
    writeFrameCheck(pieces, stored - FCS, from.bytes, frame, length, padding, wrong);
  }

  /**
   * Writes a hash and the type of hash to the last descriptor, whose format must have these fields. Returns bits to add
   * to opts2.
   */
  writeHash(hash: number, header: number): number {
    const at = this.#at[(this.#used - 1) | 0]! - this.#opts1Word;
    const { words } = this.ring;
    words[at + this.#layout.hash] = hash;
    if (this.#layout.header === this.#opts2Word) return header;
    words[at + this.#layout.header] = header;
    return 0;
  }

  /** Whether the descriptor after the claimed ones is free for a timestamp. */
  hasStampRoom(): boolean {
    const { ring } = this;
    return (
      this.#next !== ring.index && ring.reaches(this.#next) && ring.owns((ring.at(this.#next) + this.#opts1Word) | 0)
    );
  }

  /**
   * Returns the next descriptor to the guest, with the timestamp of the frame in the descriptors before it. Format 3
   * only.
   */
  stamp(nanos: bigint): void {
    const { ring } = this;
    const { words, index } = ring;
    const start = ring.at(index);
    const opts1 = ring.opts1(start + this.#opts1Word, 0);
    words[start + StampV3.nanoseconds] = Number(nanos % SECOND);
    words[start + StampV3.seconds] = Number(BigInt.asIntN(32, nanos / SECOND));
    words[start + StampV3.secondsHigh] = Number((nanos / SECOND) >> 32n) & 0xffff;
    ring.publish(start + this.#opts1Word, (opts1 & END_OF_RING) | StampV3.stamp);
    ring.index = ring.after(index, opts1);
  }

  /** Returns the descriptors to the guest, with a frame of `length` bytes. */
  giveBack(length: number, status: number, opts2: number): void {
    const { ring } = this;
    if (this.#used > 1 || this.#region.copy !== undefined || ring.copied) {
      this.#giveSeveralBack(length, status, opts2);
      return;
    }
    const at = this.#at[0]!;
    ring.words[(at + this.#opts2Word - this.#opts1Word) | 0] = opts2;
    ring.publish(at, (this.#opts1[0]! & END_OF_RING) | this.#ends | length | status);
    ring.index = this.#next;
  }

  /**
   * Like `giveBack`, but for any number of descriptors. The last one has the length of the frame or, on some chips, of
   * the piece in the last buffer. If memory is a copy of guest memory, the guest may run while the copy is stored, and
   * may reset the chip.
   */
  #giveSeveralBack(length: number, status: number, opts2: number): void {
    const { ring } = this;
    const { epoch, words } = ring;
    const { first, last } = this.#layout;
    const used = this.#used;
    const next = this.#next;
    const region = this.#region;
    const stored = ring.exclusively(() =>
      used === 1 ? region.copy?.store(this.#place, length) !== false : this.#pieces.store(length),
    );
    if (ring.epoch !== epoch) return;
    if (!stored) {
      ring.lost();
      return;
    }
    let rest = length;
    for (let n = 0; n < used; n++) {
      const at = this.#at[n]!;
      const opts1 = this.#opts1[n]!;
      const ends = (n === 0 ? first : 0) | (n === used - 1 ? last | rest : opts1 & LENGTH);
      if (this.#countsLastPiece) rest -= opts1 & LENGTH;
      words[at + this.#opts2Word - this.#opts1Word] = opts2;
      ring.publish(at, (opts1 & END_OF_RING) | ends | status);
      if (ring.epoch !== epoch) return;
    }
    ring.index = next;
  }
}
