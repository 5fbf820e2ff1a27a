/** A ring of bytes for outgoing frames. Each frame is read into contiguous free space; frames are sent in order. */
import { Misuse, OutOfRange } from "#kit/errors.ts";

/** Maximum number of outstanding fragments: a power of two, more than any transmit ring and a burst together. */
const FRAGMENTS = 4096;

/**
 * Invariant: space returned by `place` overlaps no fragment that was `add`ed and not yet `free`d.
 *
 * Fragments are freed in order: all space between the end of the newest one and the start of the oldest is free, so
 * lengths need not be stored. When no fragment is outstanding, the ring starts again at its first byte: with a fast
 * NIC, frames then stay in the same cache lines.
 */
export class SendArena {
  readonly #start: number;
  readonly #end: number;
  readonly #room: number;
  /** Every offset that `place` returns has this remainder modulo 8. */
  readonly #bias: number;
  /** Byte offset of each outstanding fragment. */
  readonly #fragments = new Int32Array(FRAGMENTS);
  #oldest = 0;
  #newest = 0;
  #head: number;

  /**
   * @param room length of the longest frame in bytes @param bias remainder modulo 8 of each offset that `place` returns
   * @throws {OutOfRange} if two of the longest frames do not fit
   */
  constructor(span: { readonly offset: number; readonly length: number }, room: number, bias: number) {
    if (span.length < 2 * (room + 8))
      throw new OutOfRange(`a send arena of ${span.length} bytes is too small for two frames of ${room} bytes`);
    this.#start = span.offset;
    this.#end = span.offset + span.length;
    this.#room = room;
    this.#bias = bias;
    this.#head = span.offset;
  }

  /** Number of outstanding fragments. */
  get outstanding(): number {
    return (this.#newest - this.#oldest) | 0;
  }

  /** The byte offset for a frame; -1 if there is no space until fragments are freed. */
  place(): number {
    if (this.outstanding === 0) return this.#aligned(this.#start);
    // A frame has at most five fragments (66 KiB in pieces of 16 KiB).
    if (this.outstanding > FRAGMENTS - 8) return -1;
    const oldest = this.#fragments[this.#oldest & (FRAGMENTS - 1)]!;
    const at = this.#aligned(this.#head);
    if (this.#head <= oldest) return at + this.#room <= oldest ? at : -1;
    if (at + this.#room <= this.#end) return at;
    const first = this.#aligned(this.#start);
    return first + this.#room <= oldest ? first : -1;
  }

  /**
   * Adds the fragment at `offset`: in the space that `place` returned last, or directly after the previous fragment.
   */
  add(offset: number, length: number): void {
    this.#fragments[this.#newest & (FRAGMENTS - 1)] = offset;
    this.#newest = (this.#newest + 1) | 0;
    this.#head = offset + length;
  }

  /** Frees the `count` oldest outstanding fragments. @throws {Misuse} if there are fewer */
  free(count: number): void {
    if (count < 0 || count > this.outstanding)
      throw new Misuse(`${count} fragments were reported as sent, but only ${this.outstanding} are outstanding`);
    this.#oldest = (this.#oldest + count) | 0;
  }

  #aligned(offset: number): number {
    return offset + ((this.#bias - offset) & 7);
  }
}
