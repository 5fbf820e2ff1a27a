/** The transmit engine: reads descriptors after a doorbell, builds frames in the port's memory, returns descriptors. */
import {
  ADDRESS_LOW,
  FirstSegment,
  LastSegment,
  MAX_DESCRIPTORS,
  OPTS2,
  Own,
  TxLength,
  TxV1Status,
} from "#chip/descriptors.ts";
import { type ChipFrames, STANDARD_FRAME } from "#chip/frames.ts";
import { Intr } from "#chip/registers.ts";
import type { Port } from "#kit/port.ts";
import { MIN_FRAME } from "#wire/ethernet.ts";
import { type Memory, memoryOf, newMemory } from "#wire/memory.ts";
import { buildTag, TAG, TAG_BYTES } from "#wire/vlan.ts";
import { Count, type TallyCounters } from "./counters.ts";
import type { Dma } from "./dma.ts";
import type { QueueInterrupts } from "../interrupts/interrupts.ts";
import {
  OffloadRequest,
  type ParseRequest,
  parseEitherFormat,
  parseFirstFormat,
  parseSecondFormat,
} from "./offload.ts";
import type { Page } from "../registers/page.ts";
import { longestFrame } from "./receive-settings.ts";
import type { DescriptorRing } from "./ring.ts";
import { ScatterList } from "./scatter.ts";
import type { Schedule } from "../registers/schedule.ts";
import { Segmentation } from "./segmentation.ts";
import type { Offences } from "../observation/strict.ts";
import { checksumFiller, type FillChecksums } from "./tx-checksums.ts";

/** Maximum length of a super-frame: an IP packet of 65,535 bytes, and an Ethernet header with a tag. */
const MAX_SUPER_FRAME = 0xffff + 18;
/** A turn makes at most this many frames; then other work runs. Segmentation makes many frames from one descriptor. */
const FRAMES_PER_TURN = 4096;
/** Delay until the next turn: after a full turn, and after the port rejected a frame. */
const TURN_MICROS = 1;
const RETRY_MICROS = 20;
/** A frame is dropped after this many consecutive retries (100 ms). */
const RETRIES = 5000;
// Local copies of imported constants, for speed: decision 8.
const SHORTEST = MIN_FRAME;
const STANDARD = STANDARD_FRAME;
const ADDRESS = ADDRESS_LOW;

/** The 8168E-VL does not segment a frame whose last segment has no more payload than this. */
const SHORT_PAYLOAD = 6;

/** Result of trying to send a frame. */
type Outcome = "sent" | "dropped" | "waits";

export interface TransmitParts {
  readonly schedule: Schedule;
  readonly interrupts: Pick<QueueInterrupts, "frames" | "raise">;
  readonly counters: TallyCounters;
  readonly offences: Offences;
  readonly page: Page;
  readonly dma: Pick<Dma, "ordered">;
  readonly facts: ChipFrames;
  /** Whether ChipCmd enables the engine. */
  readonly enabled: () => boolean;
  /** Whether frames go to the port: the link is up and loopback is off. */
  readonly straight: () => boolean;
  /** Returns true if it has handled the frame of `length` bytes at `offset`, which must then not go to the port. */
  readonly divert: (bytes: Uint8Array, offset: number, length: number) => boolean;
}

/**
 * Sends the frames of one ring.
 *
 * Invariants: each descriptor word is read once; memory is accessed only inside regions from the bus; one turn takes at
 * most `MAX_DESCRIPTORS` descriptors and makes at most `FRAMES_PER_TURN` frames; a timer starts the next turn.
 */
export class TransmitEngine {
  readonly ring: DescriptorRing;
  /** Number of super-frames segmented so far. */
  superFrames = 0;
  readonly #parts: TransmitParts;
  readonly #pieces = new ScatterList();
  readonly #request = new OffloadRequest();
  readonly #segmentation = new Segmentation();
  /** For each descriptor of the frame, the value of opts1 that was read, and in `#at` its word index in the ring. */
  readonly #opts1 = new Int32Array(MAX_DESCRIPTORS);
  readonly #at = new Int32Array(MAX_DESCRIPTORS);
  readonly #resume: () => void;
  readonly #parse: ParseRequest;
  /** Bits of opts1 that are preserved when a descriptor is returned. */
  readonly #kept: number;
  readonly #fillChecksums: FillChecksums;
  #port: Port | undefined;
  #memory: Memory = newMemory(0);
  /** Index of the descriptor after the current frame. */
  #next = 0;
  /** Number of segments of the current frame that were already sent. */
  #segmentsSent = 0;
  #frames = 0;
  #retries = 0;
  #running = false;
  #runAgain = false;
  /** Cancels the pause requested by the link partner. */
  #paused: (() => void) | undefined;
  /**
   * Set once the engine has processed descriptors after a reset. From then on a doorbell without work is no offence:
   * the guest cannot know the chip's progress, and FreeBSD's driver rings twice because some chips miss a doorbell.
   */
  #started = false;
  #cancel: (() => void) | undefined;

  constructor(ring: DescriptorRing, parts: TransmitParts) {
    this.ring = ring;
    this.#parts = parts;
    const { transmitFormat, eitherFormat } = parts.facts;
    this.#parse = eitherFormat ? parseEitherFormat : transmitFormat === 1 ? parseFirstFormat : parseSecondFormat;
    this.#kept = transmitFormat === 1 ? ~(Own | TxV1Status) : ~Own;
    this.#fillChecksums = checksumFiller(parts.facts);
    this.#resume = () => {
      this.#cancel = undefined;
      this.#run(false);
    };
  }

  connect(port: Port): void {
    this.#port = port;
    this.#memory = port.memory ?? memoryOf(port.bytes);
  }

  /** Drops the current frame and returns to the start of the ring. */
  reset(): void {
    this.ring.reset();
    this.#cancel?.();
    this.#cancel = undefined;
    this.#paused?.();
    this.#paused = undefined;
    this.#segmentsSent = 0;
    this.#retries = 0;
    this.#runAgain = false;
    this.#started = false;
  }

  /** Starts no turn for `micros` microseconds; 0 ends a pause. A turn in progress is completed. */
  pause(micros: number): void {
    this.#paused?.();
    this.#paused = undefined;
    if (micros > 0) this.#paused = this.#parts.schedule.after(micros, () => this.pause(0));
    else if (this.#runAgain) this.#run(false);
  }

  /** Called when the guest rang the doorbell. */
  doorbell(): void {
    if (!this.#parts.enabled()) return this.#parts.offences.commit("disabled", this.ring.index);
    this.#parts.dma.ordered();
    if (this.#running) this.#runAgain = true;
    else this.#run(true);
  }

  /** @param rung whether a doorbell started this turn; an empty ring is then an offence unless `#started` is set */
  #run(rung: boolean): void {
    if (this.#paused !== undefined) this.#runAgain = true;
    if (this.#running || this.#paused !== undefined || !this.#parts.enabled() || !this.ring.map()) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#running = true;
    this.#runAgain = false;
    this.#frames = 0;
    const { epoch } = this.ring;
    let good = 0;
    let bad = 0;
    let taken = 0;
    let waits = false;
    while (taken < MAX_DESCRIPTORS) {
      const used = this.#gather();
      if (used === 0) {
        if (this.#retries > 0 || this.#segmentsSent > 0) this.#dropPartial();
        break;
      }
      const outcome = this.#send();
      waits = outcome === "waits";
      // The far end may reply immediately, and the guest may reset the chip when it receives the reply.
      if (waits || this.ring.epoch !== epoch) break;
      if (outcome === "sent") good++;
      else bad++;
      taken += used;
      if (!this.#giveBack(used)) break;
    }
    this.#port?.flush();
    this.#running = false;
    if (this.ring.epoch !== epoch) return;
    if (taken > 0 || waits) this.#started = true;
    else if (rung && !this.#started && !this.ring.halted) this.#parts.offences.commit("idle", this.ring.index);
    // `#runAgain` is set if the guest rang the doorbell during this turn.
    if (waits || this.#runAgain || taken >= MAX_DESCRIPTORS) this.#continue(waits && this.#frames < FRAMES_PER_TURN);
    this.#interrupt(good, bad, waits);
  }

  /** Called when the guest has taken back a frame that was waiting for the port. */
  #dropPartial(): void {
    this.#retries = 0;
    this.#segmentsSent = 0;
    if (!this.ring.halted) this.#parts.offences.commit("owned", this.ring.index);
  }

  #continue(refused: boolean): void {
    this.#cancel = this.#parts.schedule.after(refused ? RETRY_MICROS : TURN_MICROS, this.#resume);
  }

  /** The guest may run during this call. */
  #interrupt(good: number, bad: number, waits: boolean): void {
    const { interrupts } = this.#parts;
    const empty = waits || this.ring.halted ? 0 : Intr.transmitUnavailable;
    const events = empty | (bad > 0 ? Intr.transmitError : 0);
    if (events !== 0) interrupts.raise(events);
    if (good > 0) interrupts.frames(good);
  }

  /** Reads the descriptors of the next frame. Returns their number, or 0 if there is no complete frame. */
  #gather(): number {
    const { ring } = this;
    let index = ring.index;
    this.#pieces.clear();
    for (let n = 0; n < MAX_DESCRIPTORS; n++) {
      if (!ring.reaches(index)) return 0;
      const at = ring.at(index);
      const opts1 = ring.opts1(at, n);
      if ((opts1 & Own) === 0) return 0;
      const length = opts1 & TxLength;
      if (!ring.addBuffer(at + ADDRESS, length, this.#pieces)) return 0;
      if (((opts1 & FirstSegment) !== 0) !== (n === 0)) this.#parts.offences.commit("fragments", index);
      if (n === 0) this.#parse(this.#request, opts1, ring.words[at + OPTS2]!);
      this.#opts1[n] = opts1;
      this.#at[n] = at;
      index = ring.after(index, opts1);
      if ((opts1 & LastSegment) !== 0) {
        this.#next = index;
        return n + 1;
      }
      if (index === ring.index) break;
    }
    // All descriptors belong to one frame without an end: it can never be sent.
    this.#parts.offences.commit("fragments", ring.index);
    ring.halted = true;
    return 0;
  }

  /**
   * Returns the frame's descriptors to the guest in order, and goes on to the next frame. Returns false if the ring was
   * restarted meanwhile.
   */
  #giveBack(used: number): boolean {
    const { ring } = this;
    const { epoch } = ring;
    for (let n = 0; n < used; n++) ring.publish(this.#at[n]!, this.#opts1[n]! & this.#kept);
    if (ring.epoch !== epoch) return false;
    ring.index = this.#next;
    this.#segmentsSent = 0;
    this.#retries = 0;
    return true;
  }

  #send(): Outcome {
    const { length } = this.#pieces;
    if (length === 0) return this.#drop();
    if (this.#request.segment) return length > MAX_SUPER_FRAME ? this.#drop() : this.#sendSegments();
    return length > STANDARD && !this.#acceptsJumbo(length) ? this.#drop() : this.#sendWhole();
  }

  /** Whether the chip sends frames of this length. Drops checksum requests if it cannot checksum jumbo frames. */
  #acceptsJumbo(length: number): boolean {
    const { page, facts, offences } = this.#parts;
    if (length > longestFrame(page, facts)) return false;
    const request = this.#request;
    if (!facts.checksumsJumbo && (request.ipChecksum || request.protocol !== 0)) {
      request.dropChecksums();
      offences.commit("frame", this.ring.index);
    }
    return true;
  }

  #drop(): Outcome {
    this.#parts.offences.commit("frame", this.ring.index);
    this.#parts.counters.count(Count.txErrors);
    return "dropped";
  }

  #sendSegments(): Outcome {
    const segmentation = this.#segmentation;
    const { facts } = this.#parts;
    if (!segmentation.begin(this.#request, this.#pieces)) return this.#drop();
    // The first segment is the longest.
    if (segmentation.length(0) > (facts.segmentsJumbo ? facts.longestFrame : STANDARD) + TAG_BYTES) return this.#drop();
    // What the 8168E-VL does with such a super-frame is not documented; the model drops it.
    if (facts.segmentsPlainOnly && !segmentation.isPlain(SHORT_PAYLOAD)) return this.#drop();
    const memory = this.#memory;
    const payloadAt = this.#port?.gathers === true && this.#parts.straight() ? segmentation.payloadIn(memory) : -1;
    if (payloadAt >= 0) return this.#sendInPlace(payloadAt);
    const { segments } = segmentation;
    let continues = false;
    for (let n = this.#segmentsSent; n < segments; n++) {
      const length = segmentation.length(n);
      const frame = this.#reserve(length);
      if (frame < 0) return this.#refused();
      segmentation.build(n, memory, frame);
      continues = this.#commit(frame, length, continues);
      this.#segmentsSent = n + 1;
    }
    this.superFrames++;
    return "sent";
  }

  /** Sends segments whose payload the port reads directly from guest memory, at `payloadAt` of the port's memory. */
  #sendInPlace(payloadAt: number): Outcome {
    const segmentation = this.#segmentation;
    const memory = this.#memory;
    const { headerBytes, segments } = segmentation;
    const { segmentBytes } = this.#request;
    const port = this.#port!;
    let continues = false;
    for (let n = this.#segmentsSent; n < segments; n++) {
      const length = segmentation.length(n);
      // A short segment is copied, because it needs padding after its payload.
      const frame = length < SHORTEST ? this.#reserve(length) : this.#reserve(headerBytes);
      if (frame < 0) return this.#refused();
      if (length < SHORTEST) {
        segmentation.build(n, memory, frame);
        continues = this.#commit(frame, length, continues);
      } else {
        const at = payloadAt + Math.imul(n, segmentBytes);
        segmentation.buildHeaders(n, memory, frame, at, length - headerBytes);
        this.#parts.counters.sent(memory.bytes, frame, length);
        port.commitSplit!(headerBytes, at, length - headerBytes, continues);
        continues = true;
        this.#frames++;
      }
      this.#segmentsSent = n + 1;
    }
    // Flushed now, because the guest may change the payload once its descriptors are returned.
    port.flush();
    this.superFrames++;
    return "sent";
  }

  #sendWhole(): Outcome {
    const { tag } = this.#request;
    const { length } = this.#pieces;
    const tagBytes = tag < 0 ? 0 : TAG_BYTES;
    const frame = this.#reserve(length + tagBytes);
    if (frame < 0) return this.#refused();
    const addresses = tag < 0 ? 0 : Math.min(TAG, length);
    this.#pieces.copyOut(0, addresses, this.#memory, frame);
    if (tag >= 0) buildTag(this.#memory.bytes, frame + TAG, tag);
    this.#pieces.copyOut(addresses, length - addresses, this.#memory, frame + addresses + tagBytes);
    if (!this.#fillChecksums(this.#request, this.#memory, frame, length + tagBytes, tagBytes))
      this.#parts.offences.commit("frame", this.ring.index);
    this.#commit(frame, length + tagBytes, false);
    return "sent";
  }

  /** Reserves space for a frame. Returns -1 if this turn has made enough frames or the port has no space. */
  #reserve(length: number): number {
    if (this.#frames >= FRAMES_PER_TURN) return -1;
    return this.#port?.reserve(length < SHORTEST ? SHORTEST : length) ?? -1;
  }

  /** Called when `#reserve` returned -1. Retries are limited, because a port may never accept this length. */
  #refused(): Outcome {
    if (this.#frames >= FRAMES_PER_TURN) return "waits";
    if (++this.#retries <= RETRIES) return "waits";
    this.#parts.counters.count(Count.txAborted);
    this.#parts.counters.count(Count.txErrors);
    return "dropped";
  }

  /** @param continues whether this segment follows the one committed before @returns whether the port got the frame */
  #commit(frame: number, length: number, continues: boolean): boolean {
    const { bytes } = this.#memory;
    const padded = length < SHORTEST ? this.#pad(frame, length) : length;
    this.#frames++;
    this.#retries = 0;
    this.#parts.counters.sent(bytes, frame, padded);
    if (this.#parts.divert(bytes, frame, padded)) return false;
    this.#port!.commit(padded, continues);
    return true;
  }

  /**
   * Pads a short frame. Some chips would send old bytes of their FIFO as padding, so drivers must pad frames for them.
   */
  #pad(frame: number, length: number): number {
    const { bytes } = this.#memory;
    const { facts, offences } = this.#parts;
    if (facts.padding === "zeros") for (let at = length; at < SHORTEST; at++) bytes[frame + at] = 0;
    // A short last segment is not an error of the driver.
    else if (!this.#request.segment) offences.commit("short", this.ring.index);
    return SHORTEST;
  }
}
