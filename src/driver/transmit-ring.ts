/**
 * The transmit ring: posts frames in bursts and, in exchange, returns buffers whose frames were sent.
 *
 * This is the hot path. The first descriptor of a frame gets its OWN bit last: as long as it has no OWN bit, the NIC
 * ignores the frame.
 */
import {
  ADDRESS_HIGH,
  ADDRESS_LOW,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_WORDS,
  EndOfRing,
  FirstSegment,
  LastSegment,
  MAX_DESCRIPTORS,
  OPTS2,
  Own,
  RING_ALIGN,
  TxLength,
} from "#chip/descriptors.ts";
import { type BusAddress, type DmaDomain, highHalf, lowHalf, storeHigh, storeLow } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import {
  FRAME_FLAGS,
  FRAME_LENGTH,
  FRAME_TAG,
  FRAME_WORDS,
  NO_BUFFER,
  Send,
  checkEntries,
  emptyBurst,
} from "#kit/link.ts";
import { TRANSMIT_V2, type TransmitFormat } from "./descriptor-formats.ts";
import type { PaddingRule } from "./offload-rules.ts";
import { createPadding } from "./padding.ts";
import { MAX_UNSETTLED, type RingCore } from "./receive-core.ts";

/** Indices of `TransmitRing.counters()`. The counters have 53 bits. */
export const TransmitCount = {
  /** Number of frames posted; a super-frame counts as one. */
  frames: 0,
  /** Number of bytes in these frames, including padding that software has added. */
  bytes: 1,
  /** Number of frames that the NIC was asked to segment. */
  superFrames: 2,
  /** Number of frames with a checksum offload. */
  checksums: 3,
  /** Number of frames with a tag to insert. */
  tags: 4,
  /** Number of frames in several fragments. */
  scattered: 5,
  /** Number of times that the doorbell was rung. */
  doorbells: 6,
} as const;

/** Indices of `RingCore.state` in a transmit ring. */
export const TransmitState = {
  /** Number of the next slot to fill. Like `clean`, it does not wrap at the ring's size. */
  next: 0,
  /** Number of the first slot whose fragment is not known to have been sent. */
  clean: 1,
  /** Numbers of frames, of bytes and of doorbells that are not yet added to the counters: see `settle`. */
  frames: 2,
  bytes: 3,
  doorbells: 4,
} as const;

export interface TransmitRing {
  /** Device address of the ring. */
  readonly iova: BusAddress;
  /** Settles the counters and returns them. They are indexed by `TransmitCount`. */
  counters(): Float64Array;
  /** The counters without the counts that are not yet settled, for a thread that does not poll the ring. */
  readonly settled: Float64Array;
  /** Used by `turnaround.ts`, which accesses both rings. */
  readonly core: RingCore;
  /** True if software pads some frames, which are then sent from copies. */
  readonly pads: boolean;
  /**
   * Same as `Link.transmit`. @throws {OutOfRange} if the first frame has a fragment outside the window or not of 1 to
   * 65,535 bytes, too many fragments for the chip or the ring, or an offload over IPv6 that the chip lacks
   */
  readonly transmit: (first: number, count: number) => number;
  /** Like `Link.sent`. Also rings the doorbell again if fragments were sent since the last call and others remain. */
  readonly sent: () => number;
  /** Number of fragments that were given to the NIC and are not sent yet. */
  pending(): number;
  /** Rings the doorbell again, in case it was lost. */
  ring(): void;
  /**
   * Number, modulo 2^31, of the oldest fragment that the NIC still owns; -1 if it owns none. If it owns none, but a
   * faulty NIC has set OWN in the descriptor that is used next, this is the number of the next fragment.
   */
  oldest(): number;
  /** Number of frames that were posted but not sent. Only for a NIC that is stopped. */
  unsent(): number;
  /** Takes every descriptor back and forgets the frames in flight. Used at the start and after a reset. */
  clear(): void;
}

export interface TransmitRingOptions {
  /** The entries; default: new ones. */
  readonly burst?: Int32Array;
  /** Number of descriptors: a power of two, 2 to 4096. */
  readonly slots: number;
  /** Notifies the NIC of new descriptors. */
  readonly doorbell: () => void;
  /** True if the CPU may reorder loads and stores (arm64). */
  readonly weaklyOrdered: boolean;
  /** The encoding of offloads in descriptors; default: the second format. */
  readonly format?: TransmitFormat;
  /** Largest number of descriptors of a frame; default: the number in the ring. */
  readonly frameDescriptors?: number;
  /** The frames that software must pad; default none. */
  readonly padding?: PaddingRule | undefined;
  /** Allocates memory for positions and counters; default: memory of this thread. */
  readonly buffer?: (bytes: number) => ArrayBufferLike;
}

// The engine folds a module's own constants into the loops, but loads imported ones at every use, which costs 5 ns a frame.
const OWN = Own;
const FIRST = FirstSegment;
const LAST = LastSegment;
const WHOLE = FirstSegment | LastSegment;
const LENGTH = TxLength;
const OPTIONS = OPTS2;
const LOW = ADDRESS_LOW;
const HIGH = ADDRESS_HIGH;
const STRIDE = FRAME_WORDS;
const AT_LENGTH = FRAME_LENGTH;
const AT_FLAGS = FRAME_FLAGS;
const AT_TAG = FRAME_TAG;
const MORE = Send.more;
const SEGMENT_SIZE = Send.segmentSize;
const TRANSPORT = Send.tcpChecksum | Send.udpChecksum;
const TAG = Send.tag;
const OVER_IPV6 = Send.ipv6;
const pointAt = storeLow;
const NEXT = TransmitState.next;
const CLEAN = TransmitState.clean;
const FRAMES = TransmitState.frames;
const BYTES = TransmitState.bytes;
const DOORBELLS = TransmitState.doorbells;
const UNSETTLED = MAX_UNSETTLED;

/** Returns 0, because no fragment of an invalid frame is posted. @throws {OutOfRange} for the first frame of a burst */
const rejected = (isFirst: boolean, message: string, hint?: string): 0 => {
  if (isFirst) throw new OutOfRange(message, hint);
  return 0;
};

/** Allocates a ring, which `scope` frees. This is a factory for the same reason as `createReceiveRing`. */
export const createTransmitRing = (
  dma: DmaDomain,
  scope: DisposableStack,
  options: TransmitRingOptions,
): TransmitRing => {
  const { slots, doorbell, weaklyOrdered, format = TRANSMIT_V2, padding: rule } = options;
  const { burst = emptyBurst(), buffer = (bytes: number) => new ArrayBuffer(bytes) } = options;
  const { first: firstOptions, second: secondOptions } = format;
  if (!(slots >= 2) || (slots | 0) !== slots || slots > MAX_DESCRIPTORS || (slots & (slots - 1)) !== 0)
    throw new OutOfRange(`transmit ring of ${slots} descriptors`, `Use a power of two from 2 to ${MAX_DESCRIPTORS}.`);

  const ring = scope.use(
    dma.allocate({ what: "transmit ring", bytes: slots * DESCRIPTOR_BYTES, align: RING_ALIGN, direction: "both" }),
  );
  const padding = rule === undefined ? undefined : createPadding(dma, scope, slots, rule);
  const { words, bytes } = dma.window;
  const base = ring.offset >> 2;
  const mask = slots - 1;
  const maxParts = Math.min(slots, options.frameDescriptors ?? slots);
  const addressLow = lowHalf(dma.iova);
  const addressHigh = highHalf(dma.iova);
  const windowBytes = bytes.length;

  /** Byte offset of the fragment that each slot holds, or held last: a sent fragment stays in its slot until the next one replaces it. */
  const held = new Int32Array(buffer(4 * slots)).fill(NO_BUFFER);
  // At least 65 bytes each: smaller typed arrays live on the engine's heap, and cost twice as much in the loops below.
  const state = new Int32Array(buffer(128));
  const counters = new Float64Array(buffer(128));

  const settle = (): void => {
    counters[TransmitCount.frames]! += state[FRAMES]!;
    counters[TransmitCount.bytes]! += state[BYTES]!;
    counters[TransmitCount.doorbells]! += state[DOORBELLS]!;
    state[FRAMES] = 0;
    state[BYTES] = 0;
    state[DOORBELLS] = 0;
  };

  /** `endOf` returns EndOfRing for the last slot and 0 for others, without a branch. */
  const endShift = Math.log2(EndOfRing / slots) | 0;
  const endOf = (slot: number): number => ((slot + 1) & slots) << endShift;

  const ringAgain = (): void => {
    state[DOORBELLS]!++;
    doorbell();
  };

  const clear = (): void => {
    settle();
    state.fill(0);
    for (let slot = 0; slot < slots; slot++) {
      const at = base + slot * DESCRIPTOR_WORDS;
      Atomics.store(words, at, endOf(slot));
      words.fill(0, at + 1, at + DESCRIPTOR_WORDS);
      storeHigh(words, at + HIGH, addressHigh);
    }
  };

  /** Counts the offloads of a frame. It is not called for frames in one fragment without offloads. */
  const count = (flags: number): void => {
    if ((flags & SEGMENT_SIZE) !== 0) counters[TransmitCount.superFrames]!++;
    if ((flags & TRANSPORT) !== 0) counters[TransmitCount.checksums]!++;
    if ((flags & TAG) !== 0) counters[TransmitCount.tags]!++;
  };

  /** True if a fragment is inside the window and has a valid length; false if offset plus length overflows. */
  const isInside = (offset: number, length: number): boolean =>
    (length - 1) >>> 0 < LENGTH && (offset | (windowBytes - length - offset)) >= 0;

  /**
   * Writes the second word of a descriptor and the low half of its address (the high half never changes), and exchanges
   * the entry's fragment for the one that the slot held. Returns the length for the first word.
   */
  const fill = (slot: number, at: number, opts2: number): number => {
    const to = (base + (slot << 2)) | 0;
    const offset = burst[at]!;
    pointAt(words, (to + LOW) | 0, addressLow, offset);
    words[(to + OPTIONS) | 0] = opts2;
    burst[at] = held[slot]!;
    held[slot] = offset;
    return burst[(at + AT_LENGTH) | 0]!;
  };

  /** Like `fill`, but for a frame in one fragment, which is padded if necessary. */
  const fillPadded = (slot: number, at: number, opts2: number): number => {
    const length = fill(slot, at, opts2);
    return length < padding!.below ? extend(slot, length, padding!.paddedLength(bytes, held[slot]!, length)) : length;
  };
  const fillWhole = padding === undefined ? fill : fillPadded;

  /** If the fragment of a slot needs padding, lets the slot's descriptor point at a padded copy. Returns the resulting length. */
  const extend = (slot: number, length: number, padded: number): number => {
    if (padded <= length) return length;
    pointAt(words, base + (slot << 2) + LOW, addressLow, padding!.copy(slot, held[slot]!, length, padded));
    return padded;
  };

  /** The padding in bytes that a frame needs whose `parts` fragments begin at word `at`. */
  const missing = (at: number, parts: number, slot: number): number => {
    let length = 0;
    for (let i = 0; i < parts; i++) length += burst[at + i * STRIDE + AT_LENGTH]!;
    return length < padding!.below ? padding!.missing(burst, at >> 2, parts, slot) : 0;
  };

  /**
   * Posts a frame with offloads or of several fragments. The descriptors are written from the last to the first, so
   * that the first one gets its OWN bit last. Returns the number of the frame's bytes, with padding.
   */
  const post = (at: number, parts: number, head: number): number => {
    const flags = burst[at + AT_FLAGS]!;
    const opts1 = firstOptions(flags);
    const opts2 = secondOptions(flags, burst[at + AT_TAG]!);
    const added = padding === undefined ? 0 : missing(at, parts, (head + parts - 1) & mask);
    let total = 0;
    for (let i = parts - 1; i >= 0; i--) {
      const slot = (head + i) & mask;
      const last = i === parts - 1;
      let length = fill(slot, at + i * STRIDE, opts2);
      if (last) length = extend(slot, length, length + added);
      const ends = (i === 0 ? FIRST : 0) | (last ? LAST : 0);
      Atomics.store(words, base + (slot << 2), OWN | opts1 | length | ends | endOf(slot));
      total += length;
    }
    if (parts > 1) counters[TransmitCount.scattered]!++;
    count(flags);
    return total;
  };

  /**
   * True if the NIC owns the descriptor. As in `receive`, a set bit is read again through Atomics, because the engine
   * may have reused an earlier value.
   */
  const isOwned = (position: number): boolean => {
    const at = (base + ((position & mask) << 2)) | 0;
    return (weaklyOrdered || words[at]! < 0) && Atomics.load(words, at) < 0;
  };

  /**
   * The number of fragments of the frame that begins at word `at`; 0 if the frame's end is missing, there is no room
   * for the frame, or it is invalid.
   * @throws {OutOfRange} for an invalid frame that is the first of a burst
   */
  const fragmentsOf = (at: number, left: number, next: number, isFirst: boolean): number => {
    const flags = burst[at + AT_FLAGS]!;
    if (!format.ipv6 && (flags & OVER_IPV6) !== 0 && (flags & (SEGMENT_SIZE | TRANSPORT)) !== 0)
      return rejected(isFirst, "this chip can neither checksum nor segment IPv6", "Do both in software.");
    let parts = 0;
    for (let more = MORE; more !== 0; parts++) {
      if (parts === maxParts) return rejected(isFirst, `a frame has more than ${maxParts} fragments`);
      if (parts === left) return 0;
      const from = at + parts * STRIDE;
      const offset = burst[from]!;
      const length = burst[from + AT_LENGTH]!;
      if (!isInside(offset, length))
        return rejected(isFirst, `${length} bytes at ${offset}: empty, too long or outside the DMA window`);
      more = burst[from + AT_FLAGS]! & MORE;
    }
    for (let i = 1; i < parts; i++) if (isOwned(next + i)) return 0;
    return parts;
  };

  const transmit = (first: number, fragments: number): number => {
    checkEntries(burst, first, fragments);
    const from = state[NEXT]!;
    let next = from;
    let at = (first * STRIDE) | 0;
    let left = fragments | 0;
    let total = 0;
    /** Number of fragments that are not the first of their frame. */
    let others = 0;
    while (left > 0 && !isOwned(next)) {
      let parts = 1;
      if (burst[(at + AT_FLAGS) | 0] === 0 && isInside(burst[at]!, burst[(at + AT_LENGTH) | 0]!)) {
        const slot = next & mask;
        const length = fillWhole(slot, at, 0);
        const own = OWN | WHOLE | length | endOf(slot);
        if (weaklyOrdered) Atomics.store(words, base + (slot << 2), own);
        else words[(base + (slot << 2)) | 0] = own;
        total = (total + length) | 0;
      } else {
        parts = fragmentsOf(at, left, next, next === from);
        if (parts === 0) break;
        total += post(at, parts, next);
        others += parts - 1;
      }
      next = (next + parts) | 0;
      at = (at + parts * STRIDE) | 0;
      left = (left - parts) | 0;
    }
    const posted = (next - from) | 0;
    if (posted > 0) {
      state[NEXT] = next;
      // A slot that has been filled again must have been sent before.
      if (((next - state[CLEAN]!) | 0) > slots) state[CLEAN] = (next - slots) | 0;
      state[FRAMES] = (state[FRAMES]! + posted - others) | 0;
      state[BYTES] = (state[BYTES]! + total) | 0;
      state[DOORBELLS] = (state[DOORBELLS]! + 1) | 0;
      if (state[BYTES] > UNSETTLED) settle();
      doorbell();
    }
    return posted;
  };

  /** The number of the oldest fragment that the NIC owns; if it owns none, the number of the next one to be posted. */
  const oldest = (): number => {
    let at = state[CLEAN]!;
    while (at !== state[NEXT] && !isOwned(at)) at = (at + 1) | 0;
    return at;
  };

  const sent = (): number => {
    const from = state[CLEAN]!;
    const clean = oldest();
    state[CLEAN] = clean;
    // On the RTL8168 a doorbell that closely follows another can be lost. Linux's r8169 also rings again here.
    if (clean !== from && clean !== state[NEXT]) ringAgain();
    return clean;
  };

  return {
    iova: ring.iova,
    settled: counters,
    counters() {
      settle();
      return counters;
    },
    pads: padding !== undefined,
    core: { words, base, mask, held, state, settle, addressLow },
    transmit,
    sent,
    pending: () => (state[NEXT]! - oldest()) | 0,
    ring: ringAgain,
    oldest() {
      const at = oldest();
      // A faulty NIC may set OWN in a free descriptor. That stops the ring too, and a reset recovers the ring.
      return at === state[NEXT] && !isOwned(at) ? -1 : at & 0x7fff_ffff;
    },
    unsent() {
      let frames = 0;
      for (let i = oldest(); i !== state[NEXT]!; i = (i + 1) | 0) {
        const opts1 = Atomics.load(words, base + ((i & mask) << 2));
        if (opts1 < 0 && (opts1 & LAST) !== 0) frames++;
      }
      return frames;
    },
    clear,
  };
};
