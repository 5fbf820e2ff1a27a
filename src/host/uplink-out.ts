/** From a TAP to a NIC: super-frames are read directly into DMA memory, and sent from there. */
import { OutOfRange } from "#kit/errors.ts";
import {
  FRAME_FLAGS,
  FRAME_LENGTH,
  FRAME_OFFSET,
  FRAME_TAG,
  FRAME_WORDS,
  type Link,
  type Offloads,
  Send,
} from "#kit/link.ts";
import { Errno } from "#sys/errno.ts";
import { Iovecs, readv } from "#sys/memory.ts";
import { get16, put16 } from "#wire/bigendian.ts";
import { fold } from "#wire/checksum.ts";
import { InPlaceSegmenter } from "#wire/segment-in-place.ts";
import { NETWORK, PAYLOAD, TRANSPORT } from "#wire/dissect.ts";
import { ETHERNET_BYTES, MIN_FRAME } from "#wire/ethernet.ts";
import { completeChecksum } from "#wire/fill.ts";
import { CHECKSUM as TCP_CHECKSUM } from "#wire/tcp.ts";
import { removeTag, TAG_BYTES, tagOf } from "#wire/vlan.ts";
import { SendArena } from "./send-arena.ts";
import { SEGMENT_IN_SOFTWARE, SendRequest, CHECKSUM_IN_SOFTWARE } from "./send-request.ts";
import { type FrameQueue, tapGone } from "./tap-writer.ts";
import { VNET_HEADER_BYTES, VnetHeader } from "./vnet-header.ts";
import type { FrameObserver } from "./frame-observer.ts";

/**
 * Bytes of room for the kernel's longest frame (an IP packet of 64 KiB with an Ethernet header), and some more so that
 * longer ones are detected.
 */
export const FRAME_ROOM = 66 << 10;
/**
 * Remainder modulo 8 of each frame's offset: TCP payload after the usual 66 bytes of headers is then aligned for the
 * NIC.
 */
const BIAS = 6;
/**
 * Usual length of a fragment; the descriptor's length field has 16 bits. The last fragment may be a little longer, so
 * that none is tiny: the 8168E-VL does not segment a super-frame whose last fragment has six bytes or fewer.
 */
const FRAGMENT = 16 << 10;
const LAST_FRAGMENT = FRAGMENT + 64;
/**
 * One call of `pump` stops reading after `BURST_BYTES` bytes, and when the next frame might be more than the burst's
 * `BURST` fragments can hold.
 */
const BURST = 512;
/** The first of the link's entries used for sending; those before it are for received frames. */
const FIRST = 256;
const BURST_BYTES = 128 << 10;
/** Number of fragments in the longest frame. */
const MAX_FRAGMENTS = Math.ceil(FRAME_ROOM / FRAGMENT);

export interface UplinkOutOptions {
  /** The TAP, or several of its queues, which are read in turn. */
  readonly taps: readonly FrameQueue[];
  readonly link: Link;
  readonly sendArena: { readonly offset: number; readonly length: number };
  readonly offloads: Offloads;
  readonly capture: FrameObserver | undefined;
}

/**
 * Invariant: a frame that was read is sent, or counted as dropped or discarded; fragments for which the NIC has no room
 * stay in the link's entries.
 */
export class UplinkOut {
  /** The NIC has no room, so reading the TAP is useless until the NIC has sent something. */
  stalled = false;
  /** The last read of the TAP found no more frames, or the NIC has no link. */
  drained = false;
  /** Number of frames read. */
  frames = 0;
  /** Number of frames that were checksummed in software. */
  softwareSums = 0;
  /** Number of frames that were segmented in software. */
  softwareCuts = 0;
  /** Number of frames that were dropped. */
  drops = 0;
  /** Number of frames and segments that were read, but discarded before the NIC had room for them. */
  discards = 0;
  readonly #taps: readonly FrameQueue[];
  /** Index of the queue that is read next. */
  #turn = 0;
  /** Number of queues in a row that had no frame. */
  #empty = 0;
  /** Whether a frame's tag is removed so that the NIC inserts it. */
  insertsTag = true;
  /**
   * Whether the NIC has a link. Without one, frames stay in the TAP's queues and in the link's entries, because the NIC
   * would take them and lose them.
   */
  carrier = true;
  readonly #link: Link;
  readonly #capture: FrameObserver | undefined;
  readonly #bytes: Uint8Array;
  readonly #arena: SendArena;
  readonly #header = new VnetHeader();
  readonly #iovecs: Iovecs;
  readonly #request: SendRequest;
  /** The link's entries. */
  readonly #burst: Int32Array;
  /** Number of fragments in the entries. */
  #count = 0;
  /** Number of fragments that the NIC has sent. */
  #sent: number;
  /** Offset of the buffer for a frame that is segmented in software. */
  readonly #scratch: number;
  readonly #segmenter: InPlaceSegmenter;
  #segmentFlags = 0;
  /** Tag of the frame that is being segmented. */
  #segmentTag = 0;

  /**
   * @throws {OutOfRange} if the arena is too small or exceeds the DMA window, or if the window does not start at the
   * beginning of its buffer
   */
  constructor(options: UplinkOutOptions) {
    const { taps, link, sendArena } = options;
    const { bytes } = link.memory;
    if (bytes.byteOffset !== 0) throw new OutOfRange("the DMA window does not start at the beginning of its buffer");
    if (sendArena.offset < 0 || sendArena.offset + sendArena.length > bytes.length)
      throw new OutOfRange(`a send arena of ${sendArena.length} bytes at ${sendArena.offset} exceeds the DMA window`);
    this.#taps = taps;
    this.#link = link;
    this.#burst = link.burst;
    this.#sent = link.sent();
    this.#request = new SendRequest(options.offloads);
    this.#capture = options.capture;
    this.#bytes = bytes;
    this.#scratch = sendArena.offset + ((BIAS - sendArena.offset) & 7);
    const ring = { offset: sendArena.offset + FRAME_ROOM, length: sendArena.length - FRAME_ROOM };
    this.#arena = new SendArena(ring, FRAME_ROOM, BIAS);
    this.#segmenter = new InPlaceSegmenter(link.memory);
    this.#iovecs = new Iovecs(2, bytes.buffer, this.#header.buffer);
    this.#iovecs.pointAside(0, 0, VNET_HEADER_BYTES);
  }

  /**
   * Passes on the fragments for which the NIC had no room earlier. If it takes all of them, reads up to `budget`
   * frames; a segment that is cut in software also counts as one. Returns the number of these fragments, frames and
   * segments.
   * @throws {InterfaceGone} if the TAP is gone; {SystemError} if it cannot be read for another reason
   */
  pump(budget: number): number {
    this.#reclaim();
    if (!this.carrier) {
      this.stalled = false;
      this.drained = true;
      return 0;
    }
    let moved = this.#count > 0 ? this.#offer() : 0;
    if (this.#count === 0) moved += this.#fill(budget);
    this.stalled = this.#count > 0 || this.#arena.place() < 0;
    return moved;
  }

  /** Discards the frames and segments that the NIC has not taken, and counts them. */
  discard(): void {
    for (let i = FIRST; i < FIRST + this.#count; i++)
      if ((this.#burst[i * FRAME_WORDS + FRAME_FLAGS]! & Send.more) === 0) this.discards++;
    this.#count = 0;
    for (; this.#segmenter.length > 0; this.#segmenter.advance()) this.discards++;
  }

  #fill(budget: number): number {
    if (budget > 0) this.drained = false;
    // Each call starts with the next queue, so that a queue that always has frames does not delay the others.
    this.#turn = (this.#turn + 1) % this.#taps.length;
    let frames = 0;
    let bytes = 0;
    while (frames < budget && bytes < BURST_BYTES && this.#count <= BURST - MAX_FRAGMENTS) {
      const place = this.#arena.place();
      if (place < 0) break;
      if (this.#segmenter.length > 0) {
        bytes += this.#postSegment(place);
        frames++;
        continue;
      }
      const length = this.#read(place);
      if (length < 0) break;
      frames++;
      bytes += length;
      this.#take(place, length);
    }
    if (this.#count > 0) this.#offer();
    return frames;
  }

  /** Reads one frame to `place`. Returns its length, or -1 if no queue has a frame or a signal interrupted the read. */
  #read(place: number): number {
    this.#iovecs.point(1, place, FRAME_ROOM);
    for (;;) {
      const tap = this.#taps[this.#turn]!;
      const result = readv(tap.number, this.#iovecs, 2);
      if (result >= VNET_HEADER_BYTES) {
        this.#empty = 0;
        return result - VNET_HEADER_BYTES;
      }
      if (result === -Errno.EINTR) return -1;
      if (result !== -Errno.EAGAIN) throw tapGone("readv", -result, tap);
      this.#turn = (this.#turn + 1) % this.#taps.length;
      if (++this.#empty < this.#taps.length) continue;
      this.#empty = 0;
      this.drained = true;
      return -1;
    }
  }

  /** Determines the offloads of a frame, and does in software what the NIC does not support. */
  #take(place: number, bytesRead: number): void {
    this.frames++;
    this.#capture?.frame(this.#bytes, place, bytesRead, true);
    // A frame that fills its buffer was truncated.
    if (bytesRead < ETHERNET_BYTES || bytesRead === FRAME_ROOM) {
      this.drops++;
      return;
    }
    const tag = this.insertsTag ? tagOf(this.#bytes, place, bytesRead) : -1;
    const shift = tag < 0 ? 0 : TAG_BYTES;
    if (shift > 0) removeTag(this.#bytes, place);
    const frame = place + shift;
    const length = bytesRead - shift;
    const tagFlag = shift > 0 ? Send.tag : 0;
    const header = this.#header;
    const request = this.#request.translate(header, this.#bytes, frame, length, shift);
    if (request >= 0) {
      if ((request & Send.ipv6) !== 0 && (request & Send.segmentSize) !== 0) this.#dropLengthFromSum(frame, length);
      this.#post(frame, length, request | tagFlag, tag);
    } else if (request === CHECKSUM_IN_SOFTWARE) {
      const start = frame + header.checksumStart - shift;
      completeChecksum(this.#link.memory, start, start + header.checksumOffset, frame + length);
      this.softwareSums++;
      this.#post(frame, length, tagFlag, tag);
    } else if (request === SEGMENT_IN_SOFTWARE && this.#beginSegmentation(frame, length)) {
      this.#segmentFlags = tagFlag;
      this.#segmentTag = tag;
      this.softwareCuts++;
    } else this.drops++;
  }

  /**
   * In an IPv6 super-frame, the checksum field must hold the pseudo header's sum without the length, because the chips
   * add the length of each segment (DPDK `rte_net_intel_cksum_prepare`, which its r8169 driver uses). For IPv4, Linux
   * includes the length and DPDK does not; both work.
   */
  #dropLengthFromSum(frame: number, length: number): void {
    const transport = this.#request.parts[TRANSPORT]!;
    const field = frame + transport + TCP_CHECKSUM;
    put16(this.#bytes, field, fold(get16(this.#bytes, field) + (~(length - transport) & 0xffff)));
  }

  /** Puts a finished frame into the burst. */
  #post(frame: number, length: number, flags: number, tag: number): void {
    let end = frame + length;
    if (length < MIN_FRAME) {
      end = frame + MIN_FRAME;
      this.#bytes.fill(0, frame + length, end);
    }
    for (let at = frame, bytes = 0; at < end; at += bytes) {
      bytes = end - at <= LAST_FRAGMENT ? end - at : FRAGMENT;
      const word = (FIRST + this.#count++) * FRAME_WORDS;
      this.#burst[word + FRAME_OFFSET] = at;
      this.#burst[word + FRAME_LENGTH] = bytes;
      this.#burst[word + FRAME_FLAGS] = at + bytes < end ? flags | Send.more : flags;
      this.#burst[word + FRAME_TAG] = tag;
      this.#arena.add(at, bytes);
    }
  }

  /** Passes the burst to the NIC. Returns the number of fragments taken, and moves the others to the front. */
  #offer(): number {
    const taken = this.#link.transmit(FIRST, this.#count);
    this.#burst.copyWithin(FIRST * FRAME_WORDS, (FIRST + taken) * FRAME_WORDS, (FIRST + this.#count) * FRAME_WORDS);
    this.#count -= taken;
    return taken;
  }

  #reclaim(): void {
    const sent = this.#link.sent();
    this.#arena.free((sent - this.#sent) | 0);
    this.#sent = sent;
  }

  /**
   * Copies a frame that is to be segmented here, and builds its first segment. Returns false if the segmenter does not
   * support the frame's headers.
   */
  #beginSegmentation(frame: number, length: number): boolean {
    const { parts } = this.#request;
    this.#bytes.copyWithin(this.#scratch, frame, frame + length);
    const { segmentBytes } = this.#header;
    return this.#segmenter.begin(
      this.#scratch,
      length,
      segmentBytes,
      parts[NETWORK]!,
      parts[TRANSPORT]!,
      parts[PAYLOAD]!,
    );
  }

  /** Builds the next segment at `place` and posts it. Returns its length. */
  #postSegment(place: number): number {
    const { offset, length } = this.#segmenter;
    this.#bytes.copyWithin(place, offset, offset + length);
    this.#post(place, length, this.#segmentFlags, this.#segmentTag);
    this.#segmenter.advance();
    return length;
  }
}
