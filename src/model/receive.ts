/** The receive engine: filters, takes tags out, verifies checksums, and writes frames into the guest's buffers. */
import {
  EndOfRing,
  FirstSegment,
  LastSegment,
  MAX_DESCRIPTORS,
  OPTS2,
  Own,
  Rx,
  RxTagTaken,
} from "#chip/descriptors.ts";
import { CPlus, CPlusCmd, Intr, MISC, Misc, RxMaxSize } from "#chip/registers.ts";
import type { Port } from "#kit/port.ts";
import type { MemoryRegion } from "#kit/target.ts";
import { copyAndSum } from "#wire/checksum.ts";
import { ETHERNET_BYTES, SHORTEST_FRAME } from "#wire/ethernet.ts";
import { type Memory, memoryOf, newMemory } from "#wire/memory.ts";
import { Verified } from "#wire/verify.ts";
import { verifySummed } from "#wire/verify-summed.ts";
import { TAG, TAG_BYTES, tagOf } from "#wire/vlan.ts";
import { Count, type TallyCounters } from "./counters.ts";
import { ReceiveFilter } from "./filter.ts";
import type { InterruptBlock } from "./interrupts.ts";
import { swapTag } from "./offload.ts";
import type { Page } from "./page.ts";
import type { DescriptorRing } from "./ring.ts";
import { ScatterList } from "./scatter.ts";

// The engine folds a module's own constants into the code, but loads imported ones at every use.
const OWN = Own;
const LENGTH = Rx.length;
const END_OF_RING = EndOfRing;
const FIRST = FirstSegment;
const LAST = LastSegment;
const OPTIONS = OPTS2;
const MULTICAST = Rx.multicast;
const BROADCAST = Rx.broadcast;
const TAG_TAKEN = RxTagTaken;
const SHORTEST = SHORTEST_FRAME;
const HEADER = ETHERNET_BYTES;
const ADDRESSES = TAG;
const TAGGED = TAG_BYTES;
const FCS = 4;
const FRAMES = Count.rxFrames;
const UNICASTS = Count.rxUnicast;
const MULTICASTS = Count.rxMulticast;
const BROADCASTS = Count.rxBroadcast;

const ZEROS = newMemory(SHORTEST);
/** For senders whose memory does not start at a word. */
const COPY_BYTES = Rx.length + 1;
const NOWHERE: MemoryRegion = { address: 0, length: 0, ...newMemory(0) };

export interface ReceiveParts {
  readonly page: Page;
  readonly interrupts: InterruptBlock;
  readonly counters: TallyCounters;
  /** Whether the hash bytes stand in reverse order. */
  readonly reversedHash: boolean;
  /** Most bytes of a frame the chip takes, without FCS. */
  readonly longestFrame: number;
  /** Whether ChipCmd lets the engine run. */
  readonly enabled: () => boolean;
}

/** What opts1 says for each combination of `Verified` bits. */
const verdicts = (): Int32Array => {
  const table = new Int32Array(32);
  for (let found = 0; found < table.length; found++) {
    if ((found & Verified.ip) === 0) continue;
    const good = (found & Verified.transportGood) !== 0;
    table[found] = (found & Verified.ipGood) === 0 ? Rx.ipChecksumFailed : 0;
    if ((found & Verified.udp) !== 0) table[found]! |= Rx.protocolUdp | (good ? 0 : Rx.udpChecksumFailed);
    else if ((found & Verified.tcp) !== 0) table[found]! |= Rx.protocolTcp | (good ? 0 : Rx.tcpChecksumFailed);
    else table[found]! |= Rx.protocol;
  }
  return table;
};
const VERDICTS = verdicts();

/**
 * Puts frames into the ring.
 *
 * Software that writes frames to a cable leaves padding and FCS out: what is shorter than Ethernet allows is padded here
 * as the sender's chip would have. The FCS counts in the length, as drivers expect, but its four bytes are left as they
 * were in the buffer.
 *
 * Nearly every frame fits one buffer; those that do not go through a list of pieces.
 *
 * Invariants: a descriptor is written only while it belongs to the chip, opts1 last; a frame is written only when
 * buffers for all of it are there.
 */
export class ReceiveEngine {
  readonly ring: DescriptorRing;
  readonly #parts: ReceiveParts;
  readonly #interrupts: InterruptBlock;
  readonly #counts: Float64Array;
  readonly #filter: ReceiveFilter;
  /** The memory the last frame came in, as words too. */
  #source: Memory = newMemory(0);
  #copy: Memory | undefined;
  #open = false;
  #verify = false;
  #strip = false;
  #longest = 0;
  /** What is claimed: descriptors, the index behind them, and the buffer when there is just one. */
  #used = 0;
  #next = 0;
  #region: MemoryRegion = NOWHERE;
  #place = 0;
  readonly #pieces = new ScatterList();
  readonly #opts1 = new Int32Array(MAX_DESCRIPTORS);
  readonly #at = new Int32Array(MAX_DESCRIPTORS);

  constructor(ring: DescriptorRing, parts: ReceiveParts) {
    this.ring = ring;
    this.#parts = parts;
    this.#interrupts = parts.interrupts;
    this.#counts = parts.counters.values;
    this.#filter = new ReceiveFilter(parts.page, parts.reversedHash);
  }

  /** Frames will come from this port's memory. */
  connect(port: Port): void {
    if (port.memory !== undefined) this.#source = port.memory;
  }

  /** Registers that matter here changed. */
  configure(): void {
    const { page, enabled, longestFrame } = this.#parts;
    const plus = page.get(CPlusCmd, 2);
    this.#open = enabled() && (page.get(MISC, 4) & Misc.receiveGate) === 0;
    this.#verify = (plus & CPlus.receiveChecksum) !== 0;
    this.#strip = (plus & CPlus.receiveVlan) !== 0;
    this.#longest = Math.min(longestFrame, page.get(RxMaxSize, 2) - FCS, LENGTH - FCS);
    this.#filter.load();
  }

  /** Whether the next frame finds a descriptor: what a flow-controlled cable asks before it delivers. */
  hasRoom(): boolean {
    const { ring } = this;
    if (!this.#open || !ring.map() || !ring.reaches(ring.index)) return false;
    // Through Atomics: the engine must not carry the word over from one call to the next of a cable that waits.
    return Atomics.load(ring.words, ring.at(ring.index)) < 0;
  }

  /** A frame has come. False when it was dropped. The guest may be called from here. */
  receive(bytes: Uint8Array, offset: number, length: number): boolean {
    if (!this.#open || length < HEADER) return false;
    const kind = this.#filter.admit(bytes, offset);
    if (kind < 0) return false;
    if (length > this.#longest) {
      this.#parts.counters.count(Count.rxErrors);
      return false;
    }
    const padding = length < SHORTEST ? SHORTEST - length : 0;
    const tag = this.#strip ? tagOf(bytes, offset, length) : -1;
    const start = tag < 0 ? 0 : TAGGED;
    const stored = (length + padding + FCS - start) | 0;
    if (!this.#claim(stored)) {
      this.#missed();
      return false;
    }
    const from = bytes === this.#source.bytes ? this.#source : this.#memoryOf(bytes, offset, length);
    const frame = from.bytes === bytes ? offset : 0;
    const total = this.#write(from, frame, length, start, padding);
    const verdict = this.#verify ? VERDICTS[verifySummed(from, frame, length, tag >= 0, total)]! : 0;
    this.#giveBack(stored, kind | verdict, tag < 0 ? 0 : TAG_TAKEN | swapTag(tag));
    const counts = this.#counts;
    counts[FRAMES]!++;
    counts[kind === BROADCAST ? BROADCASTS : kind === MULTICAST ? MULTICASTS : UNICASTS]!++;
    this.#interrupts.receive.frames(1);
    return true;
  }

  #missed(): void {
    const { counters, interrupts } = this.#parts;
    counters.count(Count.rxMissed);
    interrupts.raise(this.ring.halted ? Intr.receiveError : Intr.receiveUnavailable);
  }

  /** Finds descriptors with room for `bytes`. False, and nothing claimed, when the guest has not given enough. */
  #claim(bytes: number): boolean {
    const { ring } = this;
    const { index } = ring;
    if (!ring.map() || !ring.reaches(index)) return false;
    const at = ring.at(index);
    const opts1 = ring.opts1(at);
    if ((opts1 & OWN) === 0) return false;
    const length = opts1 & LENGTH;
    if (length < bytes) return this.#claimSeveral(bytes);
    const place = ring.findBuffer(at, length);
    if (place < 0) return false;
    this.#place = place;
    this.#region = ring.buffers;
    this.#opts1[0] = opts1;
    this.#at[0] = at;
    this.#used = 1;
    this.#next = ring.after(index, opts1);
    return true;
  }

  #claimSeveral(bytes: number): boolean {
    const { ring } = this;
    this.#pieces.clear();
    let { index } = ring;
    for (let n = 0; n < MAX_DESCRIPTORS; n++) {
      if (!ring.reaches(index)) return false;
      const at = ring.at(index);
      const opts1 = ring.opts1(at);
      if ((opts1 & OWN) === 0) return false;
      if (!ring.addBuffer(at, opts1 & LENGTH, this.#pieces)) return false;
      this.#opts1[n] = opts1;
      this.#at[n] = at;
      index = ring.after(index, opts1);
      if (this.#pieces.length >= bytes) {
        this.#used = n + 1;
        this.#next = index;
        return true;
      }
      // Once round: the whole ring cannot hold it.
      if (index === ring.index) return false;
    }
    return false;
  }

  /**
   * Copies the frame in, less the tag of `tag` (0 or 4) bytes, and appends the padding. Returns the partial sum of what
   * `verifySummed` wants: of all, or from behind the tag.
   */
  #write(from: Memory, frame: number, length: number, tag: number, padding: number): number {
    const behind = tag === 0 ? 0 : ADDRESSES + tag;
    if (this.#used > 1) return this.#scatter(from, frame, length, tag, padding);
    const to = this.#region;
    const place = this.#place;
    if (tag > 0) copyAndSum(from, frame, to, place, ADDRESSES);
    for (let at = place + length - tag, end = at + padding; at < end; at++) to.bytes[at] = 0;
    return copyAndSum(from, (frame + behind) | 0, to, (place + behind - tag) | 0, (length - behind) | 0);
  }

  #scatter(from: Memory, frame: number, length: number, tag: number, padding: number): number {
    const pieces = this.#pieces;
    const behind = tag === 0 ? 0 : ADDRESSES + tag;
    if (tag > 0) pieces.copyIn(0, ADDRESSES, from, frame);
    const total = pieces.copyIn(behind - tag, length - behind, from, frame + behind);
    pieces.copyIn(length - tag, padding, ZEROS, 0);
    return total;
  }

  /** Gives the frame's descriptors to the guest. Only the last one's length is the frame's. */
  #giveBack(length: number, status: number, opts2: number): void {
    const { ring } = this;
    const { words } = ring;
    const last = (this.#used - 1) | 0;
    for (let n = 0; n <= last; n++) {
      const at = this.#at[n]!;
      const opts1 = this.#opts1[n]!;
      const first = n === 0 ? FIRST : 0;
      const end = n === last ? LAST | length : opts1 & LENGTH;
      words[at + OPTIONS] = opts2;
      ring.publish(at, (opts1 & END_OF_RING) | first | end | status);
    }
    ring.index = this.#next;
  }

  /** The frame's memory as words too: looked at anew only when the sender changes. */
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
