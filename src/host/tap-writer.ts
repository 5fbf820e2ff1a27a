/** Writes frames and merged frames to a TAP, gathered from wherever they lie in one buffer. */
import { FerruleError } from "#kit/errors.ts";
import { Errno, SystemError } from "#sys/errno.ts";
import { Iovecs, writev } from "#sys/memory.ts";
import type { Tap } from "#sys/tap.ts";
import { MAX_PIECES, type SegmentRun } from "#wire/segment-run.ts";
import { TAG_BYTES, VNET_HEADER_BYTES, VnetHeader } from "./vnet-header.ts";

/** Destination and source, in front of a tag. */
const ADDRESSES = 12;
/** What frames are read from and written to: a TAP, seen as a queue of frames. */
export type FrameQueue = Pick<Tap, "name" | "number">;

/** No tag is to be put in. */
export const NO_TAG = -1;

export class TapWriter {
  /** Describes the next frame; `writeFrame` and `writeRun` send it as it is. */
  readonly header = new VnetHeader();
  /** Frames written (a merged one is one). */
  writes = 0;
  /** Frames lost because the interface was down, and because the kernel had no memory for them or found them bad. */
  down = 0;
  refused = 0;
  readonly #tap: FrameQueue;
  readonly #iovecs: Iovecs;

  /** @param buffer the memory the frames lie in */
  constructor(tap: FrameQueue, buffer: ArrayBufferLike) {
    this.#tap = tap;
    this.#iovecs = new Iovecs(MAX_PIECES + 3, buffer, this.header.buffer);
    this.#iovecs.pointAside(0, 0, VNET_HEADER_BYTES);
  }

  /** Writes the frame of `length` bytes at `offset`, with a tag put in unless it is `NO_TAG`. @throws {SystemError} when the TAP has gone */
  writeFrame(offset: number, length: number, tag: number): void {
    this.#send(this.#pointFirst(offset, length, tag));
  }

  /** Writes a frame in two pieces. @throws {SystemError} when the TAP has gone */
  writeSplit(offset: number, headerBytes: number, payloadAt: number, payloadBytes: number): void {
    this.#iovecs.point(1, offset, headerBytes);
    this.#iovecs.point(2, payloadAt, payloadBytes);
    this.#send(3);
  }

  /** Writes a merged frame. @throws {SystemError} when the TAP has gone */
  writeRun(run: SegmentRun, tag: number): void {
    const pieces = run.pieces;
    let count = this.#pointFirst(pieces[0]!, pieces[1]!, tag);
    for (let i = 1; i < run.pieceCount; i++) this.#iovecs.point(count++, pieces[2 * i]!, pieces[2 * i + 1]!);
    this.#send(count);
  }

  /** Points at the virtio header, the tag, and the piece that starts with the Ethernet header. Returns entries used. */
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
    // EBADFD: the interface was deleted. There is nothing left to write to.
    else if (result === -Errno.EBADFD || result === -Errno.EBADF) throw tapGone("writev", -result, this.#tap);
    else this.refused++;
  }
}

/** Someone deleted the interface under us. */
export class InterfaceGone extends FerruleError {
  readonly code = "INTERFACE_GONE";
  readonly hint = "Someone deleted it, or the network namespace it was in. Bring it up again.";
  constructor(name: string) {
    super(`the interface ${name} is gone`);
  }
}

/** The error of a TAP that can no longer be read or written. */
export const tapGone = (syscall: string, errno: number, tap: FrameQueue): FerruleError =>
  errno === Errno.EBADFD || errno === Errno.EBADF
    ? new InterfaceGone(tap.name)
    : new SystemError({ errno, syscall, detail: tap.name });
