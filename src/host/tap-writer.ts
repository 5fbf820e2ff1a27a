/** Writes frames and merged frames to a TAP from pieces in one buffer. */
import { FerruleError } from "#kit/errors.ts";
import { FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS } from "#kit/link.ts";
import { Errno, SystemError } from "#sys/errno.ts";
import { Iovecs, writev } from "#sys/memory.ts";
import type { Tap } from "#sys/tap.ts";
import { MAX_PIECES, type SegmentRun } from "#wire/segment-run.ts";
import { TAG_BYTES, VNET_HEADER_BYTES, VnetHeader } from "./vnet-header.ts";

/** Number of bytes of the destination and source addresses, which precede a tag. */
const ADDRESSES = 12;
/** A TAP, or one of its queues, from which frames are read and to which they are written. */
export type FrameQueue = Pick<Tap, "name" | "number">;

/** No tag to insert. */
export const NO_TAG = -1;

export class TapWriter {
  /** The virtio header of the next frame. All methods write this header unchanged. */
  readonly header = new VnetHeader();
  /** Number of frames written; a merged frame counts once. */
  writes = 0;
  /** Number of frames lost because the interface was down. */
  down = 0;
  /** Number of frames that the kernel rejected or had no memory for, or that had too many pieces. */
  refused = 0;
  readonly #tap: FrameQueue;
  readonly #iovecs: Iovecs;

  /** @param buffer the memory that holds the frames */
  constructor(tap: FrameQueue, buffer: ArrayBufferLike) {
    this.#tap = tap;
    this.#iovecs = new Iovecs(MAX_PIECES + 3, buffer, this.header.buffer);
    this.#iovecs.pointAside(0, 0, VNET_HEADER_BYTES);
  }

  /**
   * Writes the frame of `length` bytes at `offset`, inserting a tag unless it is `NO_TAG`. @throws {InterfaceGone} if
   * the TAP is gone
   */
  writeFrame(offset: number, length: number, tag: number): void {
    this.#send(this.#pointFirst(offset, length, tag));
  }

  /** Writes a frame in two pieces. @throws {InterfaceGone} if the TAP is gone */
  writeSplit(offset: number, headerBytes: number, payloadAt: number, payloadBytes: number): void {
    this.#iovecs.point(1, offset, headerBytes);
    this.#iovecs.point(2, payloadAt, payloadBytes);
    this.#send(3);
  }

  /**
   * Writes a frame in several pieces: `pieces` entries of a burst, from word `word` on. A frame with more than
   * `MAX_PIECES` pieces is dropped. @throws {InterfaceGone} if the TAP is gone
   */
  writePieces(burst: Int32Array, word: number, pieces: number, tag: number): void {
    if (pieces > MAX_PIECES) {
      this.refused++;
      return;
    }
    let count = this.#pointFirst(burst[word + FRAME_OFFSET]!, burst[word + FRAME_LENGTH]!, tag);
    for (let at = word + FRAME_WORDS; at < word + pieces * FRAME_WORDS; at += FRAME_WORDS)
      this.#iovecs.point(count++, burst[at + FRAME_OFFSET]!, burst[at + FRAME_LENGTH]!);
    this.#send(count);
  }

  /** Writes a merged frame. @throws {InterfaceGone} if the TAP is gone */
  writeRun(run: SegmentRun, tag: number): void {
    const pieces = run.pieces;
    let count = this.#pointFirst(pieces[0]!, pieces[1]!, tag);
    for (let i = 1; i < run.pieceCount; i++) this.#iovecs.point(count++, pieces[2 * i]!, pieces[2 * i + 1]!);
    this.#send(count);
  }

  /**
   * Sets the I/O vector entries for the tag and for the piece that starts with the Ethernet header. Returns their
   * number, including the virtio header's entry.
   */
  #pointFirst(offset: number, length: number, tag: number): number {
    const iovecs = this.#iovecs;
    if (tag === NO_TAG) {
      iovecs.point(1, offset, length);
      return 2;
    }
    this.header.setTag(tag);
    iovecs.point(1, offset, ADDRESSES);
    iovecs.pointAside(2, VNET_HEADER_BYTES, TAG_BYTES);
    iovecs.point(3, offset + ADDRESSES, length - ADDRESSES);
    return 4;
  }

  #send(count: number): void {
    const result = writev(this.#tap.number, this.#iovecs, count);
    if (result >= 0) this.writes++;
    else if (result === -Errno.EIO || result === -Errno.ENETDOWN) this.down++;
    // EBADFD: the interface was deleted.
    else if (result === -Errno.EBADFD || result === -Errno.EBADF) throw tapGone("writev", -result, this.#tap);
    else this.refused++;
  }
}

/** The interface was deleted while in use. */
export class InterfaceGone extends FerruleError {
  readonly code = "INTERFACE_GONE";
  readonly hint = "The interface or its network namespace was deleted. Bring it up again.";
  constructor(name: string) {
    super(`the interface ${name} is gone`);
  }
}

/** The error for a TAP that can no longer be read or written. */
export const tapGone = (syscall: string, errno: number, tap: FrameQueue): FerruleError =>
  errno === Errno.EBADFD || errno === Errno.EBADF
    ? new InterfaceGone(tap.name)
    : new SystemError({ errno, syscall, detail: tap.name });
