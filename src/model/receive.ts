/** The receive engine: filters, takes tags out, verifies checksums, and writes frames into the guest's buffers. */
import {
  FirstSegment,
  LastSegment,
  MAX_DESCRIPTORS,
  OPTS1,
  OPTS2,
  Own,
  EndOfRing,
  Rx,
  RxTagTaken,
} from "#chip/descriptors.ts";
import { CPlus, CPlusCmd, Intr, MISC, Misc, RxMaxSize } from "#chip/registers.ts";
import { intact, sum } from "#wire/checksum.ts";
import {
  dissect,
  DISSECTION_WORDS,
  ETHER_TYPE,
  Layer,
  NETWORK,
  NETWORK_LENGTH,
  PAYLOAD,
  PAYLOAD_LENGTH,
  PROTOCOL,
  TRANSPORT,
} from "#wire/dissect.ts";
import { ETHERNET_BYTES, EtherType, SHORTEST_FRAME } from "#wire/ethernet.ts";
import { Protocol } from "#wire/ipv4.ts";
import type { Port } from "#kit/port.ts";
import { type Memory, memoryOf, newMemory } from "#wire/memory.ts";
import { pseudoHeaderSum } from "#wire/pseudo-header.ts";
import { get16 } from "#wire/bigendian.ts";
import { CHECKSUM as UDP_CHECKSUM } from "#wire/udp.ts";
import { TAG, TAG_BYTES, tagOf } from "#wire/vlan.ts";
import { Count, type TallyCounters } from "./counters.ts";
import { Destination, ReceiveFilter } from "./filter.ts";
import type { InterruptBlock } from "./interrupts.ts";
import { swapTag } from "./offload.ts";
import type { Page } from "./page.ts";
import type { DescriptorRing } from "./ring.ts";
import { ScatterList } from "./scatter.ts";

const FCS_BYTES = 4;
const ZEROS = newMemory(SHORTEST_FRAME);
/** For senders whose memory does not start at a word. */
const COPY_BYTES = Rx.length + 1;

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

/**
 * Puts frames into the ring.
 *
 * Software that writes frames to a cable leaves padding and FCS out: what is shorter than Ethernet allows is padded here
 * as the sender's chip would have. The FCS counts in the length, as drivers expect, but its four bytes are left as they
 * were in the buffer.
 *
 * Invariants: a descriptor is written only while it belongs to the chip, opts1 last; a frame is written only when
 * buffers for all of it are there.
 */
export class ReceiveEngine {
  readonly ring: DescriptorRing;
  readonly #parts: ReceiveParts;
  readonly #filter: ReceiveFilter;
  readonly #buffers = new ScatterList();
  readonly #found = new Int32Array(DISSECTION_WORDS);
  readonly #opts1 = new Int32Array(MAX_DESCRIPTORS);
  readonly #at = new Int32Array(MAX_DESCRIPTORS);
  /** The memory the last frame came in, as words too. */
  #source: Memory = newMemory(0);
  #copy: Memory | undefined;
  #open = false;
  #verify = false;
  #strip = false;
  #longest = 0;
  #used = 0;
  #next = 0;

  constructor(ring: DescriptorRing, parts: ReceiveParts) {
    this.ring = ring;
    this.#parts = parts;
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
    this.#longest = Math.min(longestFrame, page.get(RxMaxSize, 2) - FCS_BYTES, Rx.length - FCS_BYTES);
    this.#filter.load();
  }

  /** Whether the next frame finds a descriptor: what a flow-controlled cable asks before it delivers. */
  hasRoom(): boolean {
    if (!this.#open || !this.ring.map() || !this.ring.reaches(this.ring.index)) return false;
    return (this.ring.opts1(this.ring.at(this.ring.index)) & Own) !== 0;
  }

  /** A frame has come. False when it was dropped. The guest may be called from here. */
  receive(bytes: Uint8Array, offset: number, length: number): boolean {
    if (!this.#open || length < ETHERNET_BYTES) return false;
    const destination = this.#filter.destination(bytes, offset);
    const mine = destination === Destination.unicast && this.#filter.isMine(bytes, offset);
    if (!this.#filter.accepts(bytes, offset, destination, mine)) return false;
    const { counters, interrupts } = this.#parts;
    if (length > this.#longest) {
      counters.count(Count.rxErrors);
      return false;
    }
    const padded = Math.max(length, SHORTEST_FRAME);
    const tag = this.#strip ? tagOf(bytes, offset, length) : -1;
    const stored = padded - (tag < 0 ? 0 : TAG_BYTES);
    if (!this.#claim(stored + FCS_BYTES)) {
      counters.count(Count.rxMissed);
      interrupts.raise(this.ring.halted ? Intr.receiveError : Intr.receiveUnavailable);
      return false;
    }
    const from = this.#memoryOf(bytes, offset, length);
    const at = from.bytes === bytes ? offset : 0;
    const verdict = this.#write(from, at, length, tag >= 0);
    if (length < SHORTEST_FRAME) this.#buffers.copyIn(stored - padded + length, padded - length, ZEROS, 0);
    this.#giveBack(stored + FCS_BYTES, verdict | kindBits(destination, mine), tag < 0 ? 0 : RxTagTaken | swapTag(tag));
    counters.count(Count.rxFrames);
    counters.count(COUNTER[destination]!);
    interrupts.receive.frames(1);
    return true;
  }

  /** Finds descriptors with room for `bytes`. False, and nothing claimed, when the guest has not given enough. */
  #claim(bytes: number): boolean {
    const { ring } = this;
    if (!ring.map()) return false;
    this.#buffers.clear();
    let index = ring.index;
    for (let n = 0; n < MAX_DESCRIPTORS; n++) {
      if (!ring.reaches(index)) return false;
      const at = ring.at(index);
      const opts1 = ring.opts1(at);
      if ((opts1 & Own) === 0) return false;
      const length = opts1 & Rx.length;
      if (!ring.addBuffer(at, length, this.#buffers)) return false;
      this.#opts1[n] = opts1;
      this.#at[n] = at;
      index = ring.after(index, opts1);
      if (this.#buffers.length >= bytes) {
        this.#used = n + 1;
        this.#next = index;
        return true;
      }
      // Once round: the whole ring cannot hold it.
      if (index === ring.index) return false;
    }
    return false;
  }

  /** Copies the frame in, without its tag if there is one, and says what opts1 says about its checksums. */
  #write(from: Memory, frame: number, length: number, tagged: boolean): number {
    const buffers = this.#buffers;
    const shift = tagged ? TAG_BYTES : 0;
    const found = this.#found;
    const layer = this.#verify ? dissect(from.bytes, frame, length, found) : Layer.none;
    if (tagged) buffers.copyIn(0, TAG, from, frame);
    const start = tagged ? TAG + TAG_BYTES : 0;
    if (layer < Layer.transport || (found[PROTOCOL] !== Protocol.tcp && found[PROTOCOL] !== Protocol.udp)) {
      buffers.copyIn(start - shift, length - start, from, frame + start);
      return layer < Layer.network ? 0 : Rx.protocol | this.#ipVerdict(from, frame);
    }
    const transport = found[TRANSPORT]!;
    const end = found[PAYLOAD]! + found[PAYLOAD_LENGTH]!;
    buffers.copyIn(start - shift, transport - start, from, frame + start);
    const total = buffers.copyIn(transport - shift, end - transport, from, frame + transport);
    buffers.copyIn(end - shift, length - end, from, frame + end);
    return this.#ipVerdict(from, frame) | this.#transportVerdict(from, frame, end - transport, total);
  }

  #ipVerdict(from: Memory, frame: number): number {
    const found = this.#found;
    if (found[ETHER_TYPE] !== EtherType.ipv4) return 0;
    return intact(sum(from, frame + found[NETWORK]!, found[NETWORK_LENGTH]!)) ? 0 : Rx.ipChecksumFailed;
  }

  #transportVerdict(from: Memory, frame: number, bytes: number, total: number): number {
    const found = this.#found;
    const udp = found[PROTOCOL] === Protocol.udp;
    const kind = udp ? Rx.protocolUdp : Rx.protocolTcp;
    // UDP over IPv4 may go without (RFC 768).
    const without = udp && found[ETHER_TYPE] === EtherType.ipv4;
    if (without && get16(from.bytes, frame + found[TRANSPORT]! + UDP_CHECKSUM) === 0) return kind;
    if (intact(total + pseudoHeaderSum(from, frame + found[NETWORK]!, found[PROTOCOL]!, bytes))) return kind;
    return kind | (udp ? Rx.udpChecksumFailed : Rx.tcpChecksumFailed);
  }

  /** Gives the frame's descriptors to the guest. Only the last one's length is the frame's. */
  #giveBack(length: number, status: number, opts2: number): void {
    const { words } = this.ring;
    const last = this.#used - 1;
    for (let n = 0; n <= last; n++) {
      const at = this.#at[n]!;
      const opts1 = this.#opts1[n]!;
      const first = n === 0 ? FirstSegment : 0;
      const end = n === last ? LastSegment | length : opts1 & Rx.length;
      words[at + OPTS2] = opts2;
      Atomics.store(words, at + OPTS1, (opts1 & EndOfRing) | first | end | status);
    }
    this.ring.index = this.#next;
  }

  /** The frame's memory as words too: looked at anew only when the sender changes. */
  #memoryOf(bytes: Uint8Array, offset: number, length: number): Memory {
    if (bytes === this.#source.bytes) return this.#source;
    if (bytes.byteOffset % 4 === 0) {
      this.#source = memoryOf(bytes);
      return this.#source;
    }
    const copy = (this.#copy ??= newMemory(COPY_BYTES));
    for (let i = 0; i < length; i++) copy.bytes[i] = bytes[offset + i]!;
    return copy;
  }
}

/** Indexed by destination. */
const COUNTER = [Count.rxUnicast, Count.rxMulticast, Count.rxBroadcast];

const kindBits = (destination: number, mine: boolean): number => {
  if (destination === Destination.broadcast) return Rx.broadcast;
  if (destination === Destination.multicast) return Rx.multicast;
  return mine ? Rx.physical : 0;
};
