/** The transmit engine: walks a ring from the doorbell on, builds frames in the port's memory, gives descriptors back. */
import { FirstSegment, LastSegment, MAX_DESCRIPTORS, OPTS2, Own, TxLength } from "#chip/descriptors.ts";
import { Intr } from "#chip/registers.ts";
import type { Port } from "#kit/port.ts";
import { networkOffset, SHORTEST_FRAME } from "#wire/ethernet.ts";
import { fillIpv4Checksum, fillTransportChecksum } from "#wire/fill.ts";
import { type Memory, memoryOf, newMemory } from "#wire/memory.ts";
import { buildTag, TAG, TAG_BYTES } from "#wire/vlan.ts";
import { Count, type TallyCounters } from "./counters.ts";
import type { InterruptBlock } from "./interrupts.ts";
import { OffloadRequest } from "./offload.ts";
import type { DescriptorRing } from "./ring.ts";
import { ScatterList } from "./scatter.ts";
import type { Schedule } from "./schedule.ts";
import { Segmentation } from "./segmentation.ts";
import type { Offences } from "./strict.ts";

/** Longest super-frame: an IP packet of 65,535 bytes, and an Ethernet header with a tag. */
const LONGEST_SUPER_FRAME = 0xffff + 18;
/** Frames one doorbell may cause before other work gets its turn: segmentation makes many of one descriptor. */
const FRAMES_PER_TURN = 4096;
/** How long the engine waits when its turn is over, and when the port takes no more. */
const TURN_MICROS = 1;
const RETRY_MICROS = 20;
/** After this many waits for the port in a row (100 ms) a frame is given up. */
const RETRIES = 5000;
// Bound here because the engine looks an imported name up at every use.
const SHORTEST = SHORTEST_FRAME;
const TX_FRAMES = Count.txFrames;

/** What became of a frame. */
type Outcome = "sent" | "dropped" | "waits";

export interface TransmitParts {
  readonly schedule: Schedule;
  readonly interrupts: InterruptBlock;
  readonly counters: TallyCounters;
  readonly offences: Offences;
  /** Most bytes of a frame on the wire, without FCS and inserted tag. */
  readonly longestFrame: number;
  /** Whether ChipCmd lets the engine run. */
  readonly enabled: () => boolean;
  /** Takes a finished frame of `length` bytes at `offset` that is not to leave by the port. True when it did. */
  readonly divert: (bytes: Uint8Array, offset: number, length: number) => boolean;
}

/**
 * Sends what the guest has put into one ring.
 *
 * Invariants: each descriptor word is read once; memory is touched only inside regions the bus gave; between a doorbell
 * and its end at most 1024 descriptors are taken and `FRAMES_PER_TURN` frames made, the rest follows by timer.
 */
export class TransmitEngine {
  readonly ring: DescriptorRing;
  /** Super-frames cut so far. */
  superFrames = 0;
  readonly #parts: TransmitParts;
  readonly #pieces = new ScatterList();
  readonly #request = new OffloadRequest();
  readonly #segmentation = new Segmentation();
  /** opts1 of the frame's descriptors as read, and where each is. */
  readonly #opts1 = new Int32Array(MAX_DESCRIPTORS);
  readonly #at = new Int32Array(MAX_DESCRIPTORS);
  readonly #resume: () => void;
  #port: Port | undefined;
  #memory: Memory = newMemory(0);
  /** Index of the descriptor after the present frame. */
  #next = 0;
  /** Segments of the present frame that have left already. */
  #segmentsSent = 0;
  #frames = 0;
  #retries = 0;
  #running = false;
  #again = false;
  /** Doorbells that may find nothing. */
  #credit = 0;
  #cancel: (() => void) | undefined;

  constructor(ring: DescriptorRing, parts: TransmitParts) {
    this.ring = ring;
    this.#parts = parts;
    this.#resume = () => {
      this.#cancel = undefined;
      this.#run(false);
    };
  }

  connect(port: Port): void {
    this.#port = port;
    this.#memory = port.memory ?? memoryOf(port.bytes);
  }

  /** Forgets the ring and the frame in hand. */
  reset(): void {
    this.ring.reset();
    this.#cancel?.();
    this.#cancel = undefined;
    this.#segmentsSent = 0;
    this.#retries = 0;
    this.#credit = 0;
  }

  /** The guest says there is something to send. */
  doorbell(): void {
    if (!this.#parts.enabled()) this.#parts.offences.commit("disabled", this.ring.index);
    else if (this.#running) this.#again = true;
    else this.#run(true);
  }

  /** @param rung the guest asked for it: finding nothing is then worth a word */
  #run(rung: boolean): void {
    if (this.#running || !this.#parts.enabled() || !this.ring.map()) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#running = true;
    this.#again = false;
    this.#frames = 0;
    const { epoch } = this.ring;
    let good = 0;
    let bad = 0;
    let taken = 0;
    let waits = false;
    while (taken < MAX_DESCRIPTORS) {
      const used = this.#gather();
      if (used === 0) break;
      const outcome = this.#send();
      waits = outcome === "waits";
      // The far end may answer at once, and the guest that answer with a reset.
      if (waits || this.ring.epoch !== epoch) break;
      if (outcome === "sent") good++;
      else bad++;
      taken += used;
      this.#giveBack(used);
    }
    this.#port?.flush();
    this.#running = false;
    if (this.ring.epoch !== epoch) return;
    this.#credit = Math.min(this.#credit + good + bad, MAX_DESCRIPTORS);
    if (rung && taken === 0 && !waits && !this.ring.halted) this.#idle();
    // The doorbell rings from within when the guest answers at once what this turn has sent.
    if (waits || this.#again || taken >= MAX_DESCRIPTORS) this.#continue(waits && this.#frames < FRAMES_PER_TURN);
    this.#interrupt(good, bad, waits);
  }

  /**
   * A doorbell that finds nothing is no offence where an earlier walk took what it announces: the guest cannot know how
   * far the chip has got. One for each frame sent is let pass.
   */
  #idle(): void {
    if (this.#credit > 0) this.#credit--;
    else this.#parts.offences.commit("idle", this.ring.index);
  }

  #continue(refused: boolean): void {
    this.#cancel = this.#parts.schedule.after(refused ? RETRY_MICROS : TURN_MICROS, this.#resume);
  }

  /** The guest may be called from here. */
  #interrupt(good: number, bad: number, waits: boolean): void {
    const { interrupts } = this.#parts;
    const empty = waits || this.ring.halted ? 0 : Intr.transmitUnavailable;
    const events = empty | (bad > 0 ? Intr.transmitError : 0);
    if (events !== 0) interrupts.raise(events);
    if (good > 0) interrupts.transmit.frames(good);
  }

  /** Reads the descriptors of the next frame. Returns how many, 0 when there is no whole frame. */
  #gather(): number {
    const { ring } = this;
    let index = ring.index;
    this.#pieces.clear();
    for (let n = 0; n < MAX_DESCRIPTORS; n++) {
      if (!ring.reaches(index)) return 0;
      const at = ring.at(index);
      const opts1 = ring.opts1(at);
      if ((opts1 & Own) === 0) return 0;
      const length = opts1 & TxLength;
      if (!ring.addBuffer(at, length, this.#pieces)) return 0;
      if (((opts1 & FirstSegment) !== 0) !== (n === 0)) this.#parts.offences.commit("fragments", index);
      if (n === 0) this.#request.parse(opts1, ring.words[at + OPTS2]!);
      this.#opts1[n] = opts1;
      this.#at[n] = at;
      index = ring.after(index, opts1);
      if ((opts1 & LastSegment) !== 0) {
        this.#next = index;
        return n + 1;
      }
      if (index === ring.index) break;
    }
    // Once round without a last descriptor: nothing can ever be sent.
    this.#parts.offences.commit("fragments", ring.index);
    ring.halted = true;
    return 0;
  }

  /** Gives the frame's descriptors back, in order, and goes on to the next. */
  #giveBack(used: number): void {
    const { ring } = this;
    for (let n = 0; n < used; n++) ring.publish(this.#at[n]!, this.#opts1[n]! & ~Own);
    this.ring.index = this.#next;
    this.#segmentsSent = 0;
    this.#retries = 0;
  }

  #send(): Outcome {
    const { length } = this.#pieces;
    const { segment } = this.#request;
    if (length === 0 || length > (segment ? LONGEST_SUPER_FRAME : this.#parts.longestFrame)) return this.#drop();
    return segment ? this.#sendSegments() : this.#sendWhole();
  }

  #drop(): Outcome {
    this.#parts.offences.commit("frame", this.ring.index);
    this.#parts.counters.count(Count.txErrors);
    return "dropped";
  }

  #sendSegments(): Outcome {
    const cut = this.#segmentation;
    if (!cut.begin(this.#request, this.#pieces)) return this.#drop();
    // None is longer than the first.
    if (cut.length(0) > this.#parts.longestFrame + TAG_BYTES) return this.#drop();
    const memory = this.#memory;
    const { segments } = cut;
    let continues = false;
    for (let n = this.#segmentsSent; n < segments; n++) {
      const length = cut.length(n);
      const frame = this.#reserve(length);
      if (frame < 0) return this.#refused();
      cut.build(n, memory, frame);
      continues = this.#commit(frame, length, continues);
      this.#segmentsSent = n + 1;
    }
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
    if (!this.#fillChecksums(frame, length + tagBytes, tagBytes)) this.#parts.offences.commit("frame", this.ring.index);
    this.#commit(frame, length + tagBytes, false);
    return "sent";
  }

  /** False when the frame is not what the request says; it leaves as it is then. */
  #fillChecksums(frame: number, length: number, tagBytes: number): boolean {
    const { ipChecksum, protocol, transport } = this.#request;
    if (!ipChecksum && protocol === 0) return true;
    const network = networkOffset(this.#memory.bytes, frame, length);
    const end = frame + length;
    if (network < 0 || (ipChecksum && !fillIpv4Checksum(this.#memory, frame + network, end))) return false;
    if (protocol === 0) return true;
    return fillTransportChecksum(this.#memory, frame + network, frame + transport + tagBytes, end, protocol);
  }

  /** Where a frame may be built; -1 when this turn's frames are used up or the port takes none. */
  #reserve(length: number): number {
    if (this.#frames >= FRAMES_PER_TURN) return -1;
    return this.#port?.reserve(length < SHORTEST ? SHORTEST : length) ?? -1;
  }

  /** The frame stays in the ring and is tried again later; not for ever, since a port may never take one so long. */
  #refused(): Outcome {
    if (this.#frames >= FRAMES_PER_TURN) return "waits";
    if (++this.#retries <= RETRIES) return "waits";
    this.#parts.counters.count(Count.txAborted);
    this.#parts.counters.count(Count.txErrors);
    return "dropped";
  }

  /** @param continues it is the segment behind the one committed before. Returns whether the port got it. */
  #commit(frame: number, length: number, continues: boolean): boolean {
    const { bytes } = this.#memory;
    let padded = length;
    for (; padded < SHORTEST; padded++) bytes[frame + padded] = 0;
    this.#frames++;
    this.#retries = 0;
    this.#parts.counters.count(TX_FRAMES);
    if (this.#parts.divert(bytes, frame, padded)) return false;
    this.#port!.commit(padded, continues);
    return true;
  }
}
