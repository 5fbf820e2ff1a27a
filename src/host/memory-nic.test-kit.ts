/**
 * A NIC without hardware, rings or registers, for tests of `src/host`. It checksums, segments, tags and verifies frames
 * at once, during the call.
 */
import { OutOfRange } from "#kit/errors.ts";
import {
  FRAME_FLAGS,
  FRAME_LENGTH,
  FRAME_OFFSET,
  FRAME_TAG,
  FRAME_WORDS,
  type Link,
  NO_BUFFER,
  Received,
  Send,
  emptyBurst,
} from "#kit/link.ts";
import type { Plug, Port } from "#kit/port.ts";
import { ETHERNET_BYTES } from "#wire/ethernet.ts";
import { fillTransportChecksum } from "#wire/fill.ts";
import { Protocol } from "#wire/ipv4.ts";
import { memoryOf } from "#wire/memory.ts";
import { segment, type SegmentPort } from "#wire/segment.test-kit.ts";
import { insertTag, removeTag, TAG_BYTES, tagOf } from "#wire/vlan.ts";
import { Verified, verify } from "#wire/verify.ts";

const SEND_BYTES = 1 << 20;
const BUFFER_BYTES = 2048;
const BUFFERS = 512;

export interface MemoryNicOptions {
  readonly port: Port;
  /** Maximum number of outstanding fragments. */
  readonly slots?: number;
  /** Damages outgoing frames, to test that the damage is detected. */
  readonly fault?: (bytes: Uint8Array, offset: number, length: number) => void;
}

export class MemoryNic {
  readonly memory = memoryOf(new Uint8Array(SEND_BYTES + BUFFERS * BUFFER_BYTES));
  readonly sendArena = { offset: 0, length: SEND_BYTES };
  readonly link: Link;
  readonly plug: Plug;
  /** Number of super-frames segmented. */
  superFrames = 0;
  /** Number of frames sent to the wire. */
  sent = 0;
  /** Number of frames received from the wire. */
  received = 0;
  /** Number of received frames with a correct TCP or UDP checksum. */
  verified = 0;
  /** While true, sent fragments are not reported. */
  withholdsCompletions = false;
  readonly #options: MemoryNicOptions;
  readonly #segments: SegmentPort;
  readonly #burst = emptyBurst();
  /** Offsets of free buffers. */
  readonly #free: number[] = [];
  /** Four words for each waiting frame. */
  readonly #waiting: number[] = [];
  /** Number of fragments sent. */
  #done = 0;
  /** Number of sent fragments that were reported to the sender. */
  #reported = 0;
  /** Tag of the frame being sent; -1 for none. */
  #tag = -1;
  /** Offset in the port's memory of the frame being sent, after the space for its tag; -1 if the port has no room. */
  #place = 0;

  constructor(options: MemoryNicOptions) {
    this.#options = options;
    for (let i = 0; i < BUFFERS; i++) this.#free.push(SEND_BYTES + i * BUFFER_BYTES);
    this.#segments = {
      ...memoryOf(options.port.bytes),
      reserve: (length) => this.#reserve(length),
      commit: (length) => this.#commit(length),
    };
    this.link = {
      memory: this.memory,
      bufferBytes: BUFFER_BYTES,
      burst: this.#burst,
      transmit: (first, count) => this.#transmit(first, count),
      sent: () => (this.withholdsCompletions ? this.#reported : (this.#reported = this.#done)),
      receive: (first, budget) => this.#receive(first, budget),
      supply: () => 0,
    };
    this.plug = {
      receive: (bytes, offset, length) => this.#accept(bytes, offset, length),
      hasRoom: () => this.#free.length > 0,
    };
    options.port.plug(this.plug);
  }

  #transmit(first: number, count: number): number {
    const { slots = 256, port } = this.#options;
    const burst = this.#burst;
    let taken = 0;
    while (taken < count) {
      let parts = 1;
      const at = (first + taken) * FRAME_WORDS;
      let length = burst[at + FRAME_LENGTH]!;
      while ((burst[at + (parts - 1) * FRAME_WORDS + FRAME_FLAGS]! & Send.more) !== 0) {
        const word = at + parts * FRAME_WORDS;
        if (burst[word + FRAME_OFFSET] !== burst[at + FRAME_OFFSET]! + length)
          throw new OutOfRange("this NIC supports only contiguous fragments");
        length += burst[word + FRAME_LENGTH]!;
        parts++;
      }
      if (this.#done - this.#reported + parts > slots) break;
      this.#done += parts;
      this.#send(burst[at + FRAME_OFFSET]!, length, burst[at + FRAME_FLAGS]!, burst[at + FRAME_TAG]!);
      taken += parts;
    }
    port.flush();
    return taken;
  }

  #send(frame: number, length: number, flags: number, tag: number): void {
    this.#tag = (flags & Send.tag) === 0 ? -1 : tag;
    const transport = (flags & Send.transportOffset) >>> Send.transportOffsetShift;
    const size = flags & Send.segmentSize;
    if (size !== 0) {
      this.superFrames++;
      segment(this.memory, frame, length, ETHERNET_BYTES, transport, size, this.#segments);
      return;
    }
    const at = this.#segments.reserve(length);
    if (at < 0) return;
    const { bytes } = this.#segments;
    bytes.set(this.memory.bytes.subarray(frame, frame + length), at);
    if ((flags & (Send.tcpChecksum | Send.udpChecksum)) !== 0) {
      const protocol = (flags & Send.tcpChecksum) !== 0 ? Protocol.tcp : Protocol.udp;
      fillTransportChecksum(this.#segments, at + ETHERNET_BYTES, at + transport, at + length, protocol);
    }
    this.#segments.commit(length);
  }

  #reserve(length: number): number {
    const room = this.#tag < 0 ? 0 : TAG_BYTES;
    const at = this.#options.port.reserve(length + room);
    this.#place = at < 0 ? -1 : at + room;
    return this.#place;
  }

  #commit(length: number): void {
    const { bytes } = this.#segments;
    const room = this.#tag < 0 ? 0 : TAG_BYTES;
    if (room > 0) insertTag(bytes, this.#place, this.#tag);
    this.#options.fault?.(bytes, this.#place - room, length + room);
    this.sent++;
    this.#options.port.commit(length + room);
  }

  #accept(bytes: Uint8Array, offset: number, length: number): boolean {
    const tag = tagOf(bytes, offset, length);
    const place = length <= BUFFER_BYTES - TAG_BYTES ? this.#free.pop() : undefined;
    if (place === undefined) return false;
    this.memory.bytes.set(bytes.subarray(offset, offset + length), place);
    const found = verify(this.memory, place, length);
    let flags = tag < 0 ? 0 : Received.tagged;
    if ((found & Verified.ipGood) !== 0) flags |= Received.ipChecksumGood;
    if ((found & Verified.transportGood) !== 0) {
      flags |= (found & Verified.udp) !== 0 ? Received.udpChecksumGood : Received.tcpChecksumGood;
      this.verified++;
    }
    this.received++;
    if (tag >= 0) removeTag(this.memory.bytes, place);
    const room = tag < 0 ? 0 : TAG_BYTES;
    this.#waiting.push(place + room, length - room, flags, tag);
    return true;
  }

  #receive(first: number, budget: number): number {
    const words = this.#waiting.splice(0, budget * FRAME_WORDS);
    for (let at = 0; at < words.length; at += FRAME_WORDS) {
      const offset = this.#burst[first * FRAME_WORDS + at]!;
      // A tag may have moved the frame within its buffer.
      if (offset !== NO_BUFFER) this.#free.push(offset - ((offset - SEND_BYTES) % BUFFER_BYTES));
    }
    this.#burst.set(words, first * FRAME_WORDS);
    return words.length / FRAME_WORDS;
  }
}
