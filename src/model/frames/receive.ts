/** The receive engine of one ring: filters, strips tags, verifies checksums, writes the status, and counts. */
import { Rx, RxTagTaken } from "#chip/descriptors.ts";
import { StampV3 } from "#chip/descriptors-8125.ts";
import type { ChipFrames } from "#chip/frames.ts";
import { Intr, MissedPackets } from "#chip/registers.ts";
import { Damage, type Port, type SegmentSource } from "#kit/port.ts";
import { ETHERNET_BYTES, MIN_FRAME } from "#wire/ethernet.ts";
import { type Memory, memoryOf, newMemory } from "#wire/memory.ts";
import { verifySummed } from "#wire/verify-summed.ts";
import { TAG_BYTES, tagOf } from "#wire/vlan.ts";
import { Count, type TallyCounters } from "./counters.ts";
import { PAUSE, ReceiveFilter } from "./filter.ts";
import type { FlowControl } from "./flow-control.ts";
import type { QueueInterrupts } from "../interrupts/interrupts.ts";
import { swapTag } from "./offload.ts";
import type { Page } from "../registers/page.ts";
import { hashedBits, type ReceiveLayout, receiveLayout } from "./receive-layout.ts";
import { type ReceiveSettings, receiveSettings } from "./receive-settings.ts";
import { damageStatus } from "./damaged.ts";
import { ReceiveBuffers } from "./receive-buffers.ts";
import { eventMessageOf } from "./ptp-messages.ts";
import type { DescriptorRing } from "./ring.ts";
import type { ReceiveSideScaling } from "./rss.ts";
import type { Offences } from "../observation/strict.ts";

// Local copies of imported constants, for speed: decision 8.
const LENGTH = Rx.length;
const MULTICAST = Rx.multicast;
const BROADCAST = Rx.broadcast;
const TAG_TAKEN = RxTagTaken;
const SHORTEST = MIN_FRAME;
const HEADER = ETHERNET_BYTES;
const TAGGED = TAG_BYTES;
const FCS = 4;
const FRAMES = Count.rxFrames;
const UNICASTS = Count.rxUnicast;
const MULTICASTS = Count.rxMulticast;
const BROADCASTS = Count.rxBroadcast;

/** Size of the buffer for frames from memory that is not aligned to words. */
const COPY_BYTES = Rx.length + 1;
/** MissedPackets has 24 bits. */
const MISSED = 0xff_ffff;

export interface ReceiveParts {
  readonly page: Page;
  readonly interrupts: Pick<QueueInterrupts, "frames" | "raise">;
  readonly counters: TallyCounters;
  readonly offences: Offences;
  readonly facts: ChipFrames;
  /** Whether ChipCmd enables the engine. */
  readonly enabled: () => boolean;
  readonly flow?: FlowControl;
  /** Only on chips that can write hashes to descriptors: the current frame's hash, and the number of queues. */
  readonly steering?: Pick<ReceiveSideScaling, "hash" | "hashed" | "enabled">;
  /** The queue's number, if descriptors with a hash alternate between the queues. */
  readonly alternating?: number | undefined;
  /** Only on chips that write timestamps of event messages to descriptors: the clock. */
  readonly stampsReceived?: { readonly active: boolean; readonly time: bigint } | undefined;
  /**
   * Whether the FCS of each frame is computed and written, which is slow. Otherwise the length includes the four bytes
   * of the FCS, as drivers expect, but these bytes of the buffer are not changed.
   */
  readonly frameCheck?: boolean;
}

/**
 * Puts frames into the ring. Software sends frames without padding and FCS, so short frames are padded here, as the
 * sender's NIC would do.
 */
export class ReceiveEngine {
  readonly ring: DescriptorRing;
  readonly rings: readonly DescriptorRing[];
  /** On a chip with one queue, this engine is the whole `Receiver`. */
  readonly front = this;
  readonly #parts: ReceiveParts;
  readonly #interrupts: Pick<QueueInterrupts, "frames" | "raise">;
  readonly #counts: Float64Array;
  readonly #filter: ReceiveFilter;
  readonly #buffers: ReceiveBuffers;
  /** The memory of the last frame, with its view as words. */
  #source: Memory = newMemory(0);
  #copy: Memory | undefined;
  /** `Port.memory` of the connected port, from which segments are taken; undefined if it has none. */
  #wire: Memory | undefined;
  #open = false;
  #verify = false;
  #strip = false;
  #longest = 0;
  #settings: ReceiveSettings;
  /** The descriptor format. */
  #layout: ReceiveLayout;
  /** Copies of the format's fields that each frame needs. */
  #kindShift = 0;
  #verdicts1: Int32Array;
  #verdicts2: Int32Array;
  /** Whether an FCS or a hash is written for each frame. */
  #more = false;
  /** Whether the descriptor format has room for timestamps. */
  #stamps = false;

  constructor(ring: DescriptorRing, parts: ReceiveParts) {
    this.ring = ring;
    this.rings = [ring];
    this.#parts = parts;
    this.#interrupts = parts.interrupts;
    this.#counts = parts.counters.values;
    this.#filter = new ReceiveFilter(parts.page, parts.facts);
    this.#settings = receiveSettings(parts.page, parts.facts);
    this.#layout = receiveLayout(parts.facts, undefined);
    this.#buffers = new ReceiveBuffers(ring, this.#layout, parts);
    this.#verdicts1 = this.#layout.verdicts1;
    this.#verdicts2 = this.#layout.verdicts2;
    this.configure();
  }

  /** Call when the cable was plugged in: frames then come from this port's memory. */
  connect(port: Port): void {
    this.#wire = port.memory;
    if (port.memory !== undefined) this.#source = port.memory;
  }

  /** Called when registers that control reception changed. */
  configure(): void {
    const { page, enabled, facts, frameCheck } = this.#parts;
    const settings = receiveSettings(page, facts);
    this.#settings = settings;
    this.#open = enabled() && !settings.gated;
    this.#verify = settings.verify;
    this.#strip = settings.strip;
    this.#longest = settings.longest;
    const layout = receiveLayout(facts, settings.hashed);
    this.#layout = layout;
    this.#buffers.layout = layout;
    this.#layOut(layout.bytes);
    this.#kindShift = layout.kindShift;
    this.#verdicts1 = layout.verdicts1;
    this.#verdicts2 = layout.verdicts2;
    this.#more = layout.hash >= 0 || frameCheck === true;
    this.#stamps = settings.hashed === 3 && this.#parts.stampsReceived !== undefined;
    this.#filter.load();
  }

  #layOut(bytes: number): void {
    const { alternating, steering } = this.#parts;
    const queues = steering?.enabled ?? 1;
    if (alternating === undefined || this.#layout.hash < 0) this.ring.layOut(bytes);
    else this.ring.layOut(bytes, Math.min(alternating, queues - 1), queues);
  }

  /**
   * Whether a descriptor is available for the next frame. A far end with flow control checks this before it delivers a
   * frame.
   */
  hasRoom(): boolean {
    return this.#open && this.#buffers.hasRoom();
  }

  /** Receives a frame. Returns false if it was dropped. The guest may run during this call. */
  receive(bytes: Uint8Array, offset: number, length: number): boolean {
    if (!this.#open || length < HEADER) return false;
    const kind = this.#filter.admit(bytes, offset);
    if (kind < 0) return this.#refuse(kind, bytes, offset, length);
    if (length > this.#longest) return this.#receiveLong(bytes, offset, length, kind);
    const padding = length < SHORTEST ? SHORTEST - length : 0;
    const tag = this.#strip ? tagOf(bytes, offset, length) : -1;
    const start = tag < 0 ? 0 : TAGGED;
    const stored = (length + padding + FCS - start) | 0;
    const buffers = this.#buffers;
    if (!buffers.claim(stored)) return this.#missed();
    const stamped = this.#stamps && this.#isStamped(bytes, offset, length);
    if (stamped && !buffers.hasStampRoom()) return this.#missed();
    const from = bytes === this.#source.bytes ? this.#source : this.#memoryOf(bytes, offset, length);
    const frame = from.bytes === bytes ? offset : 0;
    const total = buffers.write(from, frame, length, start, padding);
    const found = this.#verify ? verifySummed(from, frame, length, tag >= 0, total) : 0;
    const status = (kind >> this.#kindShift) | this.#verdicts1[found]! | (stamped ? StampV3.followed : 0);
    const more = this.#more ? this.#writeMore(from, frame, length, padding, stored) : 0;
    buffers.giveBack(stored, status, (tag < 0 ? 0 : TAG_TAKEN | swapTag(tag)) | this.#verdicts2[found]! | more);
    if (stamped) buffers.stamp(this.#parts.stampsReceived!.time);
    const counts = this.#counts;
    counts[FRAMES]!++;
    counts[kind === BROADCAST ? BROADCASTS : kind === MULTICAST ? MULTICASTS : UNICASTS]!++;
    this.#parts.counters.received(length + padding);
    this.#interrupts.frames(1);
    return true;
  }

  /**
   * Receives segments from the memory of the connected port. The checksums of each segment are verified from its
   * headers and the sum of its payload. This sum is computed once, while the payload is copied; `make` uses it to fill
   * in the TCP checksum. Stops before a segment for which there is no buffer, or that needs the slower path. Returns
   * the number of segments received. The guest may run during this call.
   */
  receiveSegments(segments: SegmentSource): number {
    const from = this.#wire;
    if (from === undefined || !this.#open || this.#more) return 0;
    const kind = this.#kindOfAll(segments, from.bytes);
    if (kind < 0) return 0;
    let taken = 0;
    while (segments.left > 0 && this.#receiveSegment(segments, from, kind >> this.#kindShift)) taken++;
    if (taken === 0) return 0;
    this.#counts[FRAMES]! += taken;
    this.#counts[kind === BROADCAST ? BROADCASTS : kind === MULTICAST ? MULTICASTS : UNICASTS]! += taken;
    this.#interrupts.frames(taken);
    return taken;
  }

  /**
   * The filter's result for the segments, which all have the same addresses. Also negative if they are too long, or if
   * a tag must be stripped.
   */
  #kindOfAll(segments: SegmentSource, bytes: Uint8Array): number {
    const { offset, length } = segments;
    if (length > this.#longest) return -1;
    // The sum 0 makes a wrong checksum, but here only the addresses and the tag are read.
    segments.make(0);
    return this.#strip && tagOf(bytes, offset, length) >= 0 ? -1 : this.#filter.admit(bytes, offset);
  }

  #receiveSegment(segments: SegmentSource, from: Memory, kind: number): boolean {
    const { offset, length, headerBytes } = segments;
    const stored = (length + FCS) | 0;
    const buffers = this.#buffers;
    if (length < SHORTEST || !buffers.claim(stored) || !buffers.isPlain) return false;
    const payload = buffers.writePart(from, (offset + headerBytes) | 0, headerBytes, (length - headerBytes) | 0);
    segments.make(payload);
    const total = (payload + buffers.writePart(from, offset, 0, headerBytes)) | 0;
    const found = this.#verify ? verifySummed(from, offset, length, false, total) : 0;
    buffers.giveBack(stored, kind | this.#verdicts1[found]!, this.#verdicts2[found]!);
    this.#parts.counters.received(length);
    segments.skip();
    return true;
  }

  /**
   * Receives a frame that was damaged on the wire; `damage` has bits of `Damage`. Counts the frame, and drops it unless
   * the receive settings accept such frames. No padding is added.
   */
  receiveDamaged(bytes: Uint8Array, offset: number, length: number, damage: number): boolean {
    if (!this.#open || length < HEADER) return false;
    const { counters } = this.#parts;
    counters.count(Count.rxErrors);
    if ((damage & Damage.alignment) !== 0) counters.count(Count.alignErrors);
    if ((damage & Damage.runt) !== 0) counters.count(Count.rxRunts);
    const kind = this.#filter.admit(bytes, offset);
    return kind >= 0 && this.#accept(bytes, offset, length, kind, damage);
  }

  /** Called when frames were lost in the FIFO. The guest may run during this call. */
  overflow(frames: number): void {
    const { counters, page, facts } = this.#parts;
    counters.count(Count.rxMissed, frames);
    if (facts.countsMissed) page.put(MissedPackets, 4, (page.get(MissedPackets, 4) + frames) & MISSED);
    this.#interrupts.raise(Intr.receiveFifoOverflow);
  }

  #refuse(kind: number, bytes: Uint8Array, offset: number, length: number): false {
    if (kind === PAUSE) this.#parts.flow?.received(bytes, offset, length);
    return false;
  }

  /** The model has no FIFO, so a frame for which there is no descriptor is lost at once. */
  #missed(): false {
    const { flow } = this.#parts;
    flow?.exhausted();
    this.#interrupts.raise(this.ring.halted ? Intr.receiveError : Intr.receiveUnavailable);
    this.overflow(1);
    return false;
  }

  /**
   * Receives a frame longer than the limit that was read last. Reads the settings again, because the receiver is not
   * notified of writes to the registers with the jumbo setting (Config3, Config4).
   */
  #receiveLong(bytes: Uint8Array, offset: number, length: number, kind: number): boolean {
    this.configure();
    if (length <= this.#longest) return this.receive(bytes, offset, length);
    this.#parts.counters.count(Count.rxErrors);
    this.#parts.counters.count(Count.rxTooLong);
    return this.#accept(bytes, offset, Math.min(length, this.#longest), kind, Damage.long);
  }

  /** Delivers a damaged frame if RxConfig accepts it. */
  #accept(bytes: Uint8Array, offset: number, length: number, kind: number, damage: number): boolean {
    const buffers = this.#buffers;
    const status = damageStatus(damage, this.#layout, this.#settings);
    const stored = length + FCS;
    if (status === 0 || length <= 0 || length > LENGTH - FCS || !buffers.claim(stored)) return false;
    const from = this.#memoryOf(bytes, offset, length);
    const frame = from.bytes === bytes ? offset : 0;
    buffers.write(from, frame, length, 0, 0);
    buffers.writeCheck(from, frame, length, 0, stored, (damage & Damage.crc) !== 0);
    buffers.giveBack(stored, (kind >> this.#kindShift) | status, 0);
    this.#interrupts.raise(Intr.receiveError);
    return true;
  }

  #isStamped(bytes: Uint8Array, offset: number, length: number): boolean {
    return this.#parts.stampsReceived?.active === true && eventMessageOf(bytes, offset, length) >= 0;
  }

  /** Writes the FCS and the hash, as far as they are enabled. Returns bits to add to opts2. */
  #writeMore(from: Memory, frame: number, length: number, padding: number, stored: number): number {
    if (this.#parts.frameCheck === true) this.#buffers.writeCheck(from, frame, length, padding, stored, false);
    const { steering } = this.#parts;
    if (this.#layout.hash < 0) return 0;
    return this.#buffers.writeHash(
      steering?.hash ?? 0,
      steering === undefined ? 0 : hashedBits(steering.hashed, this.#layout),
    );
  }

  /** The frame's memory as bytes and words. Memory that is not aligned to words is copied. */
  #memoryOf(bytes: Uint8Array, offset: number, length: number): Memory {
    if (bytes.byteOffset % 4 === 0) {
      this.#source = memoryOf(bytes);
      return this.#source;
    }
    const copy = (this.#copy ??= newMemory(COPY_BYTES));
    for (let i = 0; i < length; i++) copy.bytes[i] = bytes[offset + i]!;
    return copy;
  }
}
