/**
 * The far end of the model's cable: a TAP, with the kernel's network stack as the other machine.
 *
 * Frames from the NIC are merged before they are written, and frames from the kernel are segmented for the NIC, as the
 * other machine's NIC would do. Checksums from the model are not trusted: the checksum of a merged frame is computed
 * from those of its segments, and the kernel verifies it over the whole payload. This detects an error in the model's
 * checksum code.
 */
import { OutOfRange } from "#kit/errors.ts";
import type { Plug, Port } from "#kit/port.ts";
import type { Tap } from "#sys/tap.ts";
import { Coalescer } from "#wire/coalesce.ts";
import { type Memory, newMemory } from "#wire/memory.ts";
import type { SegmentRun } from "#wire/segment-run.ts";
import { FarFrames } from "./far-frames.ts";
import { NO_TAG, TapWriter } from "./tap-writer.ts";
import { Gso } from "./vnet-header.ts";
import type { FrameObserver } from "./frame-observer.ts";

/**
 * Bytes of memory for the outgoing frames of one burst, and for one incoming super-frame. Small enough for a core's
 * cache.
 */
const STAGING = 256 << 10;
const INBOX = 68 << 10;
/** Remainder modulo 8 of each frame's offset: payload after the usual 66 bytes of headers is then aligned. */
const BIAS = 6;
/** After this many calls of `pump` in which the NIC had no room, frames are dropped until it has room. */
const MAX_WAITS = 10_000;

export interface TapWireOptions {
  /** The TAP must have been opened with `vnetHeader`. Its offloads are set here. */
  readonly tap: Pick<Tap, "name" | "number" | "setOffload">;
  /** Receives each frame as it is on the wire. */
  readonly capture?: FrameObserver | undefined;
  /** Memory for frames. Default: memory of its own. */
  readonly memory?: Memory;
  /** Byte offset in `memory`, a multiple of 8, from which 324 KiB may be used. */
  readonly staging?: number;
}

export interface WireCounters {
  /** Number of frames from the NIC. */
  readonly sentFrames: number;
  readonly sentBytes: number;
  /** Number of writes to the TAP. */
  readonly writes: number;
  /** Number of frames that the NIC accepted; each segment counts. */
  readonly receivedFrames: number;
  readonly receivedBytes: number;
  /**
   * Number of frames that the NIC dropped, for example because the link is down, the NIC sleeps, or they are not
   * addressed to it.
   */
  readonly unwanted: number;
  /**
   * Number of frames lost: the NIC had no room for too long, the kernel rejected them, or their length or virtio header
   * was wrong.
   */
  readonly drops: number;
  /** Number of frames from the NIC that were lost because the far interface was down; a merged frame counts once. */
  readonly hostDown: number;
}

export class TapWire implements Port {
  readonly bytes: Uint8Array;
  readonly memory: Memory;
  /** Outgoing frames are between the offsets `#start` and `#end`; incoming ones follow. */
  readonly #start: number;
  readonly #end: number;
  readonly #capture: FrameObserver | undefined;
  readonly #writer: TapWriter;
  readonly #coalescer: Coalescer;
  readonly #incoming: FarFrames;
  #nic: Plug | undefined;
  /** Offset of the next outgoing frame. */
  #free: number;
  /** Offset of the reserved frame; -1 if none is reserved. */
  #reserved = -1;
  #waits = 0;
  #sentFrames = 0;
  #sentBytes = 0;
  #receivedFrames = 0;
  #receivedBytes = 0;
  #unwanted = 0;
  #drops = 0;

  /** @throws {SystemError} */
  constructor(options: TapWireOptions) {
    const { tap, capture, memory = newMemory(STAGING + INBOX), staging = 0 } = options;
    this.memory = memory;
    this.bytes = memory.bytes;
    this.#start = staging;
    this.#end = staging + STAGING;
    this.#free = staging;
    this.#capture = capture;
    this.#writer = new TapWriter(tap, this.bytes.buffer);
    this.#coalescer = new Coalescer({
      bytes: this.bytes,
      checksum: "carry",
      sink: {
        single: (offset, length) => this.#writeSingle(offset, length),
        split: (offset, headers, payloadAt, payload) => this.#writeSplit(offset, headers, payloadAt, payload),
        run: (run) => this.#writeRun(run),
      },
    });
    this.#incoming = new FarFrames(tap, memory, this.#end + BIAS);
    tap.setOffload({ checksum: true, tso4: true, tso6: true });
  }

  plug(nic: Plug): void {
    this.#nic = nic;
  }

  /** Number of frames that wait for the NIC; each segment counts. Call `pump` again soon if this is not 0. */
  get pending(): number {
    return this.#incoming.left;
  }

  get counters(): WireCounters {
    const { writes, down, refused } = this.#writer;
    return {
      sentFrames: this.#sentFrames,
      sentBytes: this.#sentBytes,
      writes,
      receivedFrames: this.#receivedFrames,
      receivedBytes: this.#receivedBytes,
      unwanted: this.#unwanted,
      drops: this.#drops + refused + this.#incoming.drops,
      hostDown: down,
    };
  }

  reserve(length: number): number {
    if (length <= 0 || length > STAGING - 8) return -1;
    let at = this.#free + ((BIAS - this.#free) & 7);
    if (at + length > this.#end) {
      this.flush();
      at = this.#start + BIAS;
    }
    this.#reserved = at;
    return at;
  }

  commit(length: number, continues = false): void {
    const at = this.#reserved;
    if (at < 0 || length <= 0 || at + length > this.#end)
      throw new OutOfRange(`a commit of ${length} bytes at ${at} is not possible`);
    this.#reserved = -1;
    this.#free = at + length;
    this.#sentFrames++;
    this.#sentBytes += length;
    this.#capture?.frame(this.bytes, at, length, true);
    if (!continues || !this.#coalescer.follow(at, length)) this.#coalescer.add(at, length, false, 0, NO_TAG);
  }

  /** Frames in two pieces are possible only without a capture, which needs them in one piece. */
  get gathers(): boolean {
    return this.#capture === undefined;
  }

  commitSplit(headerBytes: number, payloadAt: number, payloadBytes: number, continues: boolean): void {
    const at = this.#reserved;
    if (at < 0 || headerBytes <= 0 || at + headerBytes > this.#end)
      throw new OutOfRange(`a commit of ${headerBytes} bytes of headers at ${at} is not possible`);
    if (payloadAt < 0 || payloadBytes <= 0 || payloadAt + payloadBytes > this.bytes.length)
      throw new OutOfRange(`a commit of ${payloadBytes} bytes of payload at ${payloadAt} is not possible`);
    this.#reserved = -1;
    this.#free = at + headerBytes;
    this.#sentFrames++;
    this.#sentBytes += headerBytes + payloadBytes;
    const coalescer = this.#coalescer;
    if (!continues || !coalescer.followSplit(at, headerBytes, payloadAt, payloadBytes))
      coalescer.addSplit(at, headerBytes, payloadAt, payloadBytes);
  }

  flush(): void {
    this.#coalescer.flush();
    this.#free = this.#start;
  }

  /**
   * Delivers frames to the NIC, up to `budget`; only the first super-frame may exceed it. Returns the number of
   * delivered and dropped frames. A super-frame for which the rest of the budget does not suffice is kept for the next
   * call, because in two bursts the driver would merge it into two frames, which would be acknowledged separately.
   * @throws {InterfaceGone} if the TAP is gone; {SystemError} if it cannot be read for another reason
   */
  pump(budget: number): number {
    const nic = this.#nic;
    if (nic === undefined) return 0;
    const incoming = this.#incoming;
    let frames = 0;
    while (frames < budget) {
      if (incoming.left === 0) {
        if (!incoming.read()) break;
        if (frames > 0 && frames + incoming.left > budget) break;
      }
      const taken = this.#deliverSegments(nic);
      frames += taken;
      if (taken > 0) continue;
      incoming.complete();
      if (nic.hasRoom?.() === false) {
        if (++this.#waits <= MAX_WAITS) break;
        this.#drops++;
      } else {
        this.#waits = 0;
        this.#deliver(nic, incoming.offset, incoming.length);
      }
      frames++;
      incoming.advance();
    }
    return frames;
  }

  /**
   * Lets the NIC accept each segment of a super-frame when it is built. Returns the number of accepted segments. A
   * capture needs whole frames, so with a capture the number is 0.
   */
  #deliverSegments(nic: Plug): number {
    const { superFrame } = this.#incoming;
    if (superFrame === undefined || nic.receiveSegments === undefined || this.#capture !== undefined) return 0;
    const before = superFrame.rest;
    const taken = nic.receiveSegments(superFrame);
    if (taken === 0) return 0;
    this.#waits = 0;
    this.#receivedFrames += taken;
    this.#receivedBytes += Math.imul(taken, superFrame.headerBytes) + before - superFrame.rest;
    this.#incoming.left = superFrame.left;
    return taken;
  }

  #deliver(nic: Plug, offset: number, length: number): void {
    this.#capture?.frame(this.bytes, offset, length, false);
    if (nic.receive(this.bytes, offset, length)) {
      this.#receivedFrames++;
      this.#receivedBytes += length;
    } else this.#unwanted++;
  }

  #writeSingle(offset: number, length: number): void {
    this.#writer.header.clear();
    this.#writer.writeFrame(offset, length, NO_TAG);
  }

  #writeSplit(offset: number, headerBytes: number, payloadAt: number, payloadBytes: number): void {
    this.#writer.header.clear();
    this.#writer.writeSplit(offset, headerBytes, payloadAt, payloadBytes);
  }

  #writeRun(run: SegmentRun): void {
    const { header } = this.#writer;
    header.clear();
    // Without NEEDS_CHECKSUM the kernel verifies the frame's checksum in full (tried on Linux 6.18).
    header.setSegments(run.ipv6 ? Gso.tcp6 : Gso.tcp4, run.segmentBytes, run.headerBytes);
    this.#writer.writeRun(run, NO_TAG);
  }
}
