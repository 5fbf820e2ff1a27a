/** Reads frames from the far end's kernel, and segments and checksums them as the far machine's NIC would. */
import { Errno } from "#sys/errno.ts";
import { Iovecs, readv } from "#sys/memory.ts";
import { InPlaceSegmenter } from "#wire/segment-in-place.ts";
import { NETWORK, PAYLOAD, TRANSPORT } from "#wire/dissect.ts";
import { ETHERNET_BYTES, MIN_FRAME } from "#wire/ethernet.ts";
import { completeChecksum } from "#wire/fill.ts";
import type { Memory } from "#wire/memory.ts";
import { SEGMENT_IN_SOFTWARE, NO_OFFLOADS, SendRequest, CHECKSUM_IN_SOFTWARE } from "./send-request.ts";
import { type FrameQueue, tapGone } from "./tap-writer.ts";
import { FRAME_ROOM } from "./uplink-out.ts";
import { VNET_HEADER_BYTES, VnetHeader } from "./vnet-header.ts";

// Local copies of imported constants, for speed: decision 8.
const SHORTEST = MIN_FRAME;

/** Reads one frame at a time from the kernel, and yields it as one or more wire frames. */
export class FarFrames {
  /** The segmenter with the remaining segments, if the last frame read is a super-frame; otherwise undefined. */
  superFrame: InPlaceSegmenter | undefined;
  /** Offset of the current wire frame; valid after `complete`. */
  offset = 0;
  /** Length of the current wire frame; valid after `complete`. */
  length = 0;
  /** Number of wire frames that remain of the last frame read, including the current one. */
  left = 0;
  /** Number of frames dropped because their virtio header did not match, or because they were too short or too long. */
  drops = 0;
  readonly #tap: FrameQueue;
  readonly #memory: Memory;
  readonly #place: number;
  readonly #header = new VnetHeader();
  readonly #iovecs: Iovecs;
  readonly #request = new SendRequest(NO_OFFLOADS);
  readonly #segmenter: InPlaceSegmenter;

  /** @param place byte offset in `memory` where `FRAME_ROOM` bytes are free for frames */
  constructor(tap: FrameQueue, memory: Memory, place: number) {
    this.#tap = tap;
    this.#memory = memory;
    this.#place = place;
    this.#segmenter = new InPlaceSegmenter(memory);
    this.#iovecs = new Iovecs(2, memory.bytes.buffer, this.#header.buffer);
    this.#iovecs.pointAside(0, 0, VNET_HEADER_BYTES);
    this.#iovecs.point(1, place, FRAME_ROOM);
  }

  /**
   * Reads the next frame. Returns false if there is none, or a signal interrupted the read.
   * @throws {InterfaceGone} if the TAP is gone; {SystemError} for another error
   */
  read(): boolean {
    for (;;) {
      const result = readv(this.#tap.number, this.#iovecs, 2);
      if (result === -Errno.EAGAIN || result === -Errno.EINTR) return false;
      if (result < VNET_HEADER_BYTES) throw tapGone("readv", -result, this.#tap);
      if (this.#take(result - VNET_HEADER_BYTES)) return true;
      this.drops++;
    }
  }

  /** Builds the current wire frame, if it is a segment of a super-frame. Other frames are already complete. */
  complete(): void {
    const { superFrame } = this;
    if (superFrame === undefined) return;
    superFrame.make(superFrame.sum());
    this.#show(superFrame.offset, superFrame.length, superFrame.left);
  }

  /** Call this when the current wire frame was consumed. */
  advance(): void {
    const { superFrame } = this;
    superFrame?.skip();
    this.left = superFrame?.left ?? 0;
    this.length = 0;
  }

  #take(length: number): boolean {
    if (length < ETHERNET_BYTES || length === FRAME_ROOM) return false;
    const { bytes } = this.#memory;
    const header = this.#header;
    const request = this.#request.translate(header, bytes, this.#place, length, 0);
    if (request === SEGMENT_IN_SOFTWARE) return this.#segment(length);
    if (request === CHECKSUM_IN_SOFTWARE) {
      const start = this.#place + header.checksumStart;
      completeChecksum(this.#memory, start, start + header.checksumOffset, this.#place + length);
    } else if (request < 0) return false;
    this.superFrame = undefined;
    this.#show(this.#place, length, 1);
    return true;
  }

  #segment(length: number): boolean {
    const { parts } = this.#request;
    const { segmentBytes } = this.#header;
    const segmenter = this.#segmenter;
    if (!segmenter.prepare(this.#place, length, segmentBytes, parts[NETWORK]!, parts[TRANSPORT]!, parts[PAYLOAD]!))
      return false;
    this.superFrame = segmenter;
    this.left = segmenter.left;
    return true;
  }

  #show(offset: number, length: number, left: number): void {
    this.offset = offset;
    this.length = length;
    this.left = left;
    // Only the last segment is padded: padding an earlier one would overwrite the payload of the next segment.
    if (length < SHORTEST && left === 1) this.#pad();
  }

  /** Pads the current wire frame with zeros to Ethernet's minimum length, as the far machine's NIC would. */
  #pad(): void {
    const { bytes } = this.#memory;
    for (let at = this.offset + this.length, end = this.offset + SHORTEST; at < end; at++) bytes[at] = 0;
    this.length = SHORTEST;
  }
}
