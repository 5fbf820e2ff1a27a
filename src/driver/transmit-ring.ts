/**
 * The transmit ring: posts frames in bursts, and reclaims those that were sent.
 *
 * The hot path. The first descriptor of a frame gets its OWN bit last: until then the NIC ignores the frame.
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
import { FRAME_FLAGS, FRAME_LENGTH, FRAME_TAG, Send } from "#kit/link.ts";
import { TRANSMIT_V2, type TransmitFormat } from "./descriptor-formats.ts";
import type { PaddingRule } from "./offload-rules.ts";
import { createPadding } from "./padding.ts";
import { MOST_UNSETTLED, type RingCore } from "./receive-core.ts";

/** Indices of `TransmitRing.counters()`; 53-bit counts. */
export const TransmitCount = {
  /** Frames posted (a super-frame is one), and their bytes. */
  frames: 0,
  bytes: 1,
  /** Of these: frames with segmentation, with a checksum offload, with a tag to insert, and in several fragments. */
  superFrames: 2,
  checksums: 3,
  tags: 4,
  scattered: 5,
  /** Doorbells rung. */
  doorbells: 6,
} as const;

/** Indices of `RingCore.state` in a transmit ring. */
export const TransmitState = {
  /** The next slot to fill, and the next to reclaim. They are free-running: their difference is the number in flight. */
  next: 0,
  clean: 1,
  /** Frames, their bytes, and doorbells not yet added to the counters: see `settle`. */
  frames: 2,
  bytes: 3,
  doorbells: 4,
} as const;

export interface TransmitRing {
  /** Device address of the ring. */
  readonly iova: BusAddress;
  /** Counters, indexed by `TransmitCount`. */
  counters(): Float64Array;
  /** The counters without unsettled counts: for a thread that does not poll the ring. */
  readonly settled: Float64Array;
  /** For `turnaround.ts`, which accesses both rings. */
  readonly core: RingCore;
  /** Some frames are sent from copies, with padding. */
  readonly pads: boolean;
  /**
   * As `Link.transmit`. @throws {OutOfRange} for a fragment outside the window, or of 0 or more than 65,535 bytes; for a frame of more
   * fragments than the chip supports or the ring has descriptors.
   */
  readonly transmit: (burst: Int32Array, count: number) => number;
  /** As `Link.reclaim`. */
  readonly reclaim: (offsets: Int32Array, limit: number) => number;
  /** Fragments given to the NIC and not yet reclaimed. */
  pending(): number;
  /** Rings the doorbell again, in case it was lost. */
  ring(): void;
  /** The oldest fragment that the NIC still owns, as a free-running number; -1 if it owns none. */
  oldest(): number;
  /** Frames posted and not sent. For a NIC that is stopped. */
  unsent(): number;
  /** Takes every descriptor back and forgets the frames in flight: at the start and after a reset. */
  clear(): void;
}

export interface TransmitRingOptions {
  /** Descriptors: a power of two, 2 to 4096. */
  readonly slots: number;
  /** Notifies the NIC of new descriptors. */
  readonly doorbell: () => void;
  /** The CPU may reorder loads and stores (arm64). */
  readonly weaklyOrdered: boolean;
  /** How descriptors encode offloads; default: the second format. */
  readonly format?: TransmitFormat;
  /** Most descriptors of a frame; default: those of the ring. */
  readonly frameDescriptors?: number;
  /** Which frames software must pad; default none. */
  readonly padding?: PaddingRule | undefined;
  /** Where positions and counters are kept; default: memory of this thread. */
  readonly buffer?: (bytes: number) => ArrayBufferLike;
}

// The engine folds a module's own constants into the loops, but loads imported ones at every use: 5 ns a frame.
const OWN = Own;
const END_OF_RING = EndOfRing;
const FIRST = FirstSegment;
const LAST = LastSegment;
const WHOLE = FirstSegment | LastSegment;
const LENGTH = TxLength;
const OPTIONS = OPTS2;
const LOW = ADDRESS_LOW;
const HIGH = ADDRESS_HIGH;
const AT_LENGTH = FRAME_LENGTH;
const AT_FLAGS = FRAME_FLAGS;
const AT_TAG = FRAME_TAG;
const MORE = Send.more;
const SEGMENT_SIZE = Send.segmentSize;
const TRANSPORT = Send.tcpChecksum | Send.udpChecksum;
const TAG = Send.tag;
const pointAt = storeLow;
const NEXT = TransmitState.next;
const CLEAN = TransmitState.clean;
const FRAMES = TransmitState.frames;
const BYTES = TransmitState.bytes;
const DOORBELLS = TransmitState.doorbells;
const UNSETTLED = MOST_UNSETTLED;

/** Allocates a ring on `scope`. A factory for the same reason as `createReceiveRing`. */
export const createTransmitRing = (
  dma: DmaDomain,
  scope: DisposableStack,
  options: TransmitRingOptions,
): TransmitRing => {
  const { slots, doorbell, weaklyOrdered, format = TRANSMIT_V2, padding: rule } = options;
  const { buffer = (bytes: number) => new ArrayBuffer(bytes) } = options;
  const { first: firstOptions, second: secondOptions } = format;
  if (slots < 2 || slots > MAX_DESCRIPTORS || (slots & (slots - 1)) !== 0)
    throw new OutOfRange(`transmit ring of ${slots} descriptors`, `Use a power of two from 2 to ${MAX_DESCRIPTORS}.`);

  const ring = scope.use(
    dma.allocate({ what: "transmit ring", bytes: slots * DESCRIPTOR_BYTES, align: RING_ALIGN, direction: "both" }),
  );
  const padding = rule === undefined ? undefined : createPadding(dma, scope, slots, rule);
  const { words, bytes } = dma.window;
  const base = ring.offset >> 2;
  const mask = slots - 1;
  const mostParts = Math.min(slots, options.frameDescriptors ?? slots);
  const addressLow = lowHalf(dma.iova);
  const addressHigh = highHalf(dma.iova);
  const windowBytes = bytes.length;

  /** Byte offset of the fragment each slot holds. */
  const sent = new Int32Array(buffer(4 * slots));
  // More than 64 bytes each: smaller typed arrays live on the engine's heap and cost twice as much in the loops below.
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

  const ringAgain = (): void => {
    state[DOORBELLS]!++;
    doorbell();
  };

  const clear = (): void => {
    settle();
    state.fill(0);
    for (let slot = 0; slot < slots; slot++) {
      const at = base + slot * DESCRIPTOR_WORDS;
      Atomics.store(words, at, slot === mask ? END_OF_RING : 0);
      words.fill(0, at + 1, at + DESCRIPTOR_WORDS);
      storeHigh(words, at + HIGH, addressHigh);
    }
  };

  /** Counts the offloads of a frame. Not on the path of plain frames. */
  const count = (flags: number): void => {
    if ((flags & SEGMENT_SIZE) !== 0) counters[TransmitCount.superFrames]!++;
    if ((flags & TRANSPORT) !== 0) counters[TransmitCount.checksums]!++;
    if ((flags & TAG) !== 0) counters[TransmitCount.tags]!++;
  };

  const check = (offset: number, length: number): void => {
    if (offset < 0 || length <= 0 || length > LENGTH || offset + length > windowBytes)
      throw new OutOfRange(`a fragment of ${length} bytes at ${offset} is outside the DMA window`);
  };

  /** Writes all words of a descriptor except the first. Returns the length for that word. */
  const fill = (slot: number, offset: number, length: number, opts2: number): number => {
    check(offset, length);
    const at = base + (slot << 2);
    pointAt(words, (at + LOW) | 0, addressLow, offset);
    words[(at + OPTIONS) | 0] = opts2;
    sent[slot] = offset;
    return length;
  };

  /** As `fill` for a frame in one fragment, with padding in software. */
  const fillPadded = (slot: number, offset: number, length: number, opts2: number): number => {
    fill(slot, offset, length, opts2);
    return length < padding!.below ? extend(slot, offset, length, padding!.wanted(bytes, offset, length)) : length;
  };
  const fillWhole = padding === undefined ? fill : fillPadded;

  /** Sends a fragment from a padded copy. */
  const extend = (slot: number, offset: number, length: number, padded: number): number => {
    if (padded <= length) return length;
    pointAt(words, base + (slot << 2) + LOW, addressLow, padding!.copy(slot, offset, length, padded));
    return padded;
  };

  /** The padding in bytes that a frame of several fragments needs. */
  const missing = (burst: Int32Array, first: number, fragments: number, slot: number): number => {
    let length = 0;
    for (let at = first << 2; at < (first + fragments) << 2; at += DESCRIPTOR_WORDS) {
      check(burst[at]!, burst[at + AT_LENGTH]!);
      length += burst[at + AT_LENGTH]!;
    }
    return length < padding!.below ? padding!.missing(burst, first, fragments, slot) : 0;
  };

  /** Several fragments: written from the last to the first, so that the first gets OWN last. */
  const scatter = (burst: Int32Array, first: number, fragments: number, head: number): number => {
    const flags = burst[(first << 2) + AT_FLAGS]!;
    const opts1 = firstOptions(flags);
    const opts2 = secondOptions(flags, burst[(first << 2) + AT_TAG]!);
    const added = padding === undefined ? 0 : missing(burst, first, fragments, head & mask);
    let total = 0;
    for (let i = fragments - 1; i >= 0; i--) {
      const from = (first + i) << 2;
      const slot = (head + i) & mask;
      const last = i === fragments - 1;
      let length = fill(slot, burst[from]!, burst[from + AT_LENGTH]!, opts2);
      if (last) length = extend(slot, burst[from]!, length, length + added);
      const ends = (i === 0 ? FIRST : 0) | (last ? LAST : 0);
      Atomics.store(words, base + (slot << 2), OWN | opts1 | length | ends | (slot === mask ? END_OF_RING : 0));
      total += length;
    }
    counters[TransmitCount.scattered]!++;
    return total;
  };

  const transmit = (burst: Int32Array, fragments: number): number => {
    const next = state[NEXT]!;
    const end = Math.min(fragments | 0, (slots - ((next - state[CLEAN]!) | 0)) | 0);
    let i = 0;
    let total = 0;
    /** Fragments that are not the first of their frame. */
    let others = 0;
    while (i < end) {
      const at = i << 2;
      const slot = (next + i) & mask;
      const flags = burst[(at + AT_FLAGS) | 0]!;
      let parts = 1;
      if (flags === 0) {
        const length = fillWhole(slot, burst[at]!, burst[(at + AT_LENGTH) | 0]!, 0);
        const own = OWN | WHOLE | length | (slot === mask ? END_OF_RING : 0);
        if (weaklyOrdered) Atomics.store(words, base + (slot << 2), own);
        else words[(base + (slot << 2)) | 0] = own;
        total = (total + length) | 0;
      } else {
        while (i + parts < fragments && (burst[((i + parts - 1) << 2) + AT_FLAGS]! & MORE) !== 0) parts++;
        if ((burst[((i + parts - 1) << 2) + AT_FLAGS]! & MORE) !== 0) break;
        if (parts > mostParts) throw new OutOfRange(`a frame of ${parts} fragments; ${mostParts} are possible`);
        if (i + parts > end) break;
        count(flags);
        if (parts > 1) total += scatter(burst, i, parts, next + i);
        else {
          const opts2 = secondOptions(flags, burst[at + AT_TAG]!);
          const length = fillWhole(slot, burst[at]!, burst[at + AT_LENGTH]!, opts2);
          const own = OWN | WHOLE | firstOptions(flags) | length;
          Atomics.store(words, base + (slot << 2), own | (slot === mask ? END_OF_RING : 0));
          total += length;
        }
        others += parts - 1;
      }
      i = (i + parts) | 0;
    }
    if (i > 0) {
      state[NEXT] = (next + i) | 0;
      state[FRAMES] = (state[FRAMES]! + i - others) | 0;
      state[BYTES] = (state[BYTES]! + total) | 0;
      state[DOORBELLS] = (state[DOORBELLS]! + 1) | 0;
      if (state[BYTES] > UNSETTLED) settle();
      doorbell();
    }
    return i;
  };

  const reclaim = (offsets: Int32Array, limit: number): number => {
    const clean = state[CLEAN]!;
    const unsent = (state[NEXT]! - clean) | 0;
    const end = Math.min(limit | 0, unsent);
    if (end <= 0) return 0;
    let n = 0;
    let opts1 = words[(base + ((clean & mask) << 2)) | 0]! | 0;
    // As in `receive`: read through Atomics in case the engine has reused an earlier value.
    if (opts1 < 0 || weaklyOrdered) opts1 = Atomics.load(words, base + ((clean & mask) << 2)) | 0;
    while (opts1 >= 0) {
      offsets[n] = sent[(clean + n) & mask]!;
      n = (n + 1) | 0;
      if (n === end) break;
      const at = (base + (((clean + n) & mask) << 2)) | 0;
      opts1 = (weaklyOrdered ? Atomics.load(words, at) : words[at]!) | 0;
    }
    state[CLEAN] = (clean + n) | 0;
    // On 8168 a doorbell that closely follows another can be lost: ring again for the rest, as Linux's r8169 does.
    if (n > 0 && n < unsent && n < limit) ringAgain();
    return n;
  };

  return {
    iova: ring.iova,
    settled: counters,
    counters() {
      settle();
      return counters;
    },
    pads: padding !== undefined,
    core: { words, base, mask, held: sent, state, settle, addressLow },
    transmit,
    reclaim,
    pending: () => (state[NEXT]! - state[CLEAN]!) | 0,
    ring: ringAgain,
    oldest() {
      const at = state[CLEAN]!;
      return at !== state[NEXT]! && Atomics.load(words, base + ((at & mask) << 2)) < 0 ? at & 0x7fff_ffff : -1;
    },
    unsent() {
      let frames = 0;
      for (let i = state[CLEAN]!; i !== state[NEXT]!; i = (i + 1) | 0) {
        const opts1 = Atomics.load(words, base + ((i & mask) << 2));
        if (opts1 < 0 && (opts1 & LAST) !== 0) frames++;
      }
      return frames;
    },
    clear,
  };
};
