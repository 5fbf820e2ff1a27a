/**
 * The receive ring: takes full buffers from the NIC and returns empty ones, in one pass.
 *
 * This is the hot path. Word arithmetic stays in this file; for the reasons see `docs/decisions/0003-burst-link.md`.
 */
import { EndOfRing, MAX_DESCRIPTORS, Own, RING_ALIGN, RxTagTaken } from "#chip/descriptors.ts";
import { type BusAddress, type DmaDomain, type DmaMemory, highHalf, lowHalf, storeHigh, storeLow } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FRAME_WORDS, Received, checkEntries, emptyBurst } from "#kit/link.ts";
import { RECEIVE_8169, type ReceiveFormat } from "./descriptor-formats.ts";
import { createChains } from "./receive-chains.ts";
import {
  FCS_BYTES,
  type ReceiveCore,
  ReceiveCount,
  ReceiveState,
  MIN_RECEIVED,
  MAX_UNSETTLED,
} from "./receive-core.ts";

export interface ReceiveRing {
  /** Device address of the ring. */
  readonly iova: BusAddress;
  /** Settles the counters and returns them. They are indexed by `ReceiveCount`. */
  counters(): Float64Array;
  /** The counters without the counts that are not yet settled, for a thread that does not poll the ring. */
  readonly settled: Float64Array;
  /** The hash of each entry, or 0; undefined in formats without a hash. */
  readonly hashes: Int32Array | undefined;
  /** Same as `Link.times`; undefined if received messages have no timestamps. */
  readonly times: BigInt64Array | undefined;
  /** Used by `turnaround.ts`, which accesses both rings. */
  readonly core: ReceiveCore;
  /** Same as `Link.receive`. */
  readonly receive: (first: number, budget: number) => number;
  /** Same as `Link.supply`. */
  readonly supply: (first: number, count: number) => number;
  /**
   * Sets whether damaged frames are handed out too, and whether frames keep their FCS. `arm` does not change these
   * settings.
   */
  accept(extra: { readonly damaged?: boolean; readonly fcs?: boolean }): void;
  /** Gives every descriptor to the NIC: at the start, and again after a reset. Buffers that the caller holds are not affected. */
  arm(): void;
  /** True if `receive` would find a frame or an invalid descriptor. */
  waiting(): boolean;
  /** Number of frames that the NIC has written but `receive` has not handed out. Only for a NIC that is stopped. */
  unreadFrames(): number;
  /** Number of descriptors that the NIC owns. For display only, because this walks the whole ring. */
  armed(): number;
}

export interface ReceiveRingOptions {
  /** Number of descriptors: a power of two, 1 to 4096. */
  readonly slots: number;
  /** Size of a buffer in bytes: a multiple of 8, at least 64, that fits the format's length field. */
  readonly bufferBytes: number;
  /** The entries; default: new ones. */
  readonly burst?: Int32Array;
  /**
   * Number of buffers in addition to those in the ring: as many as the caller may hold at once, including those in a
   * transmit ring.
   */
  readonly spare: number;
  /**
   * True if the CPU may reorder loads and stores (arm64). The word with the OWN bit is then accessed through Atomics.
   */
  readonly weaklyOrdered: boolean;
  /** The meaning of descriptor words; default: that of the 8169 and later. */
  readonly format?: ReceiveFormat;
  /** Largest number of buffers of a frame; default 1. */
  readonly pieces?: number;
  /** `FrameFacts.countsLastPiece`; default false. */
  readonly countsLastPiece?: boolean;
  /** Allocates memory for positions and counters; default: memory of this thread. */
  readonly buffer?: (bytes: number) => ArrayBufferLike;
  /** A ring in which descriptors of several queues alternate, and the queue's place in it; default: a ring of its own. */
  readonly shared?: { readonly ring: DmaMemory; readonly queue: number; readonly queues: number };
}

// The engine folds a module's own constants into the loop, but loads imported ones at every use, which costs 5 ns a
// frame.
const FCS = FCS_BYTES;
const SHORTEST = MIN_RECEIVED;
const OWN = Own;
const END_OF_RING = EndOfRing;
const TAG_TAKEN = RxTagTaken;
const TAGGED = Received.tagged;
const STRIDE = FRAME_WORDS;
const SLOT = ReceiveState.slot;
const KEPT_FCS = ReceiveState.keptFcs;
const DAMAGED = ReceiveState.damaged;
const FRAMES = ReceiveState.frames;
const BYTES = ReceiveState.bytes;
const UNSETTLED = MAX_UNSETTLED;
const pointAt = storeLow;
const setHigh = storeHigh;

/** Largest number of spare buffers; of buffers of 2 KiB they would take 2 GiB. */
const MAX_SPARE = 1 << 20;

/** @throws {OutOfRange} */
const checkOptions = (options: ReceiveRingOptions, format: ReceiveFormat, pieces: number): void => {
  const { slots, bufferBytes, spare } = options;
  if (!(slots >= 1) || (slots | 0) !== slots || slots > MAX_DESCRIPTORS || (slots & (slots - 1)) !== 0)
    throw new OutOfRange(
      `a receive ring cannot have ${slots} descriptors`,
      `Use a power of two from 1 to ${MAX_DESCRIPTORS}.`,
    );
  if (!Number.isInteger(spare) || spare < 0 || spare > MAX_SPARE)
    throw new OutOfRange(`a receive ring cannot have ${spare} spare buffers`, `Use 0 to ${MAX_SPARE}.`);
  if (!Number.isInteger(bufferBytes) || bufferBytes % 8 !== 0 || bufferBytes < 64 || bufferBytes > format.length)
    throw new OutOfRange(
      `receive buffers cannot have ${bufferBytes} bytes`,
      `Use a multiple of 8 from 64 to ${format.length & ~7}.`,
    );
  if (pieces > 1 && (pieces > slots || pieces > spare))
    throw new OutOfRange(
      `a ring of ${slots} descriptors with ${spare} spare buffers is too small for frames of ${pieces} buffers`,
      "Use larger buffers, or more of them.",
    );
};

/** Allocates a ring, with `slots` descriptors for each of `queues`. @throws {DmaExhausted} */
export const allocateRing = (
  dma: DmaDomain,
  scope: DisposableStack,
  slots: number,
  bytes: number,
  queues = 1,
): DmaMemory =>
  scope.use(
    dma.allocate({ what: "receive ring", bytes: slots * bytes * queues, align: RING_ALIGN, direction: "both" }),
  );

/**
 * Allocates a ring and its buffers, which `scope` frees. This is a factory and not a class, so that the engine can
 * treat the ring's address and size as constants. The engine can do so as long as a thread has only one ring of each
 * kind.
 * @throws {OutOfRange} {DmaExhausted}
 */
export const createReceiveRing = (dma: DmaDomain, scope: DisposableStack, options: ReceiveRingOptions): ReceiveRing => {
  const { slots, bufferBytes, spare, weaklyOrdered, format = RECEIVE_8169, pieces = 1 } = options;
  const {
    length: lengthBits,
    bad,
    kindMask,
    first,
    last,
    verdictInOpts2,
    verdictShift,
    verdictMask,
    verdicts,
  } = format;
  checkOptions(options, format, pieces);
  const { burst = emptyBurst(), buffer = (size: number) => new ArrayBuffer(size) } = options;

  const { shared = { ring: allocateRing(dma, scope, slots, format.bytes), queue: 0, queues: 1 } } = options;
  const { ring, queue, queues } = shared;
  const total = slots + spare;
  const pool: DmaMemory = scope.use(
    dma.allocate({ what: "receive buffers", bytes: total * bufferBytes, align: 64, direction: "both" }),
  );

  const words = dma.window.words;
  const base = (ring.offset + queue * format.bytes) >> 2;
  const mask = slots - 1;
  const addressLow = lowHalf(dma.iova);
  const addressHigh = highHalf(dma.iova);
  /** Index of the first word with an OWN bit. */
  const own = base + format.opts1;
  /** Binary logarithm of the distance, in words, between two words with an OWN bit. */
  const step = (Math.log2(format.bytes * queues) - 2) | 0;
  /** Offsets of a descriptor's other words from its word with the OWN bit. */
  const toOpts2 = format.opts2 - format.opts1;
  const toLow = format.address - format.opts1;
  const toHigh = toLow + 1;
  const { overwritesAddress } = format;
  const hashed = format.hash !== undefined;
  const lateHash = format.hash?.late === true ? format.hash.hash - format.opts1 : undefined;

  /** The buffer of each slot, as a byte offset in the window, and the stack of spare buffers. */
  const held = new Int32Array(buffer(4 * slots));
  const free = new Int32Array(buffer(4 * total));
  // The next two arrays have more than 64 bytes, because smaller typed arrays live on the engine's heap and cost twice
  // as much in the loop below.
  const state = new Int32Array(buffer(128));
  const counters = new Float64Array(buffer(128));

  for (let i = 0; i < slots; i++) held[i] = pool.offset + i * bufferBytes;
  for (let i = 0; i < spare; i++) free[i] = pool.offset + (slots + i) * bufferBytes;
  state[ReceiveState.spares] = spare;

  /**
   * Writes the buffer's address into a slot's descriptor, clears the words that could keep old results, and gives the
   * slot to the NIC.
   */
  const post = (slot: number): void => {
    const at = own + (slot << step);
    pointAt(words, at + toLow, addressLow, held[slot]!);
    setHigh(words, at + toHigh, addressHigh);
    words[at + toOpts2] = 0;
    if (lateHash !== undefined) words[at + lateHash] = 0;
    Atomics.store(words, at, OWN | bufferBytes | (slot === mask ? END_OF_RING : 0));
  };

  const settle = (): void => {
    counters[ReceiveCount.frames]! += state[FRAMES]!;
    counters[ReceiveCount.bytes]! += state[BYTES]!;
    state[FRAMES] = 0;
    state[BYTES] = 0;
  };

  const common = { words, base, mask, held, state, settle, addressLow };
  const core: ReceiveCore = { ...common, burst, pool, free, bufferBytes, format, step, pieces };
  const countsLastPiece = options.countsLastPiece ?? false;
  const { slowPath, supply, waiting, hashes, times, noteHash } = createChains(core, {
    counters,
    post,
    countsLastPiece,
  });

  const wanted = first | last;
  const examined = first | last | bad | kindMask;
  /**
   * Distance in bytes from the first buffer to the last. One unsigned comparison with it checks both limits, and
   * excludes `NO_BUFFER`.
   */
  const span = (total - 1) * bufferBytes;
  const start = pool.offset;
  const endShift = Math.log2(EndOfRing / slots) | 0;
  const receive = (first: number, budget: number): number => {
    checkEntries(burst, first, budget);
    let slot = state[SLOT]!;
    let opts1 = words[(own + (slot << step)) | 0]! | 0;
    // If the slot seems empty, its word is read once more through Atomics, because V8 may have reused the word that an
    // earlier pass read.
    if (opts1 < 0 || weaklyOrdered) opts1 = Atomics.load(words, own + (slot << step)) | 0;
    // A thread that polls finds no frame most of the time.
    if (opts1 < 0) return 0;
    const strip = (FCS - state[KEPT_FCS]!) | 0;
    /** The longest frame minus the shortest. One unsigned comparison with it checks both limits. */
    const lengths = (bufferBytes - strip - SHORTEST) >>> 0;
    const begin = (first * STRIDE) | 0;
    const end = (begin + budget * STRIDE) | 0;
    let out = begin;
    let bytes = 0;
    let others = 0;
    let refused = 0;
    while (opts1 >= 0 && out < end) {
      const at = (own + (slot << step)) | 0;
      const length = ((opts1 & lengthBits) - strip) | 0;
      const fresh = burst[out]!;
      // The last condition rejects a buffer outside the ring's memory, because the NIC would write into it.
      if ((opts1 & examined) === wanted && (length - SHORTEST) >>> 0 <= lengths && (fresh - start) >>> 0 <= span) {
        const opts2 = words[(at + toOpts2) | 0]!;
        let flags = verdicts[((verdictInOpts2 ? opts2 : opts1) >>> verdictShift) & verdictMask]!;
        if ((opts2 & TAG_TAKEN) !== 0) {
          flags |= TAGGED;
          burst[(out + 3) | 0] = ((opts2 & 0xff) << 8) | ((opts2 & 0xff00) >>> 8);
        }
        if (hashed) flags |= noteHash(at, out);
        burst[out] = held[slot]!;
        burst[(out + 1) | 0] = length;
        burst[(out + 2) | 0] = flags;
        out = (out + STRIDE) | 0;
        bytes = (bytes + length) | 0;
        held[slot] = fresh;
        pointAt(words, (at + toLow) | 0, addressLow, fresh);
        if (overwritesAddress) setHigh(words, (at + toHigh) | 0, addressHigh);
        // opts1 is written last, because it gives the slot to the NIC.
        words[(at + toOpts2) | 0] = 0;
        const posted = OWN | bufferBytes | (((slot + 1) & slots) << endShift);
        if (weaklyOrdered) Atomics.store(words, at, posted);
        else words[at] = posted;
        slot = (slot + 1) & mask;
      } else {
        state[SLOT] = slot;
        const entries = slowPath(begin, out, end);
        if (entries < 0) break;
        // The loop ends once `slowPath` has advanced by as many slots as the ring has: a NIC that returns invalid
        // descriptors as fast as they are rejected must not keep the loop running.
        refused += ((state[SLOT] - slot - 1) & mask) + 1;
        others += entries;
        out = (out + entries * STRIDE) | 0;
        slot = state[SLOT]!;
        if (refused >= slots) break;
      }
      opts1 = (weaklyOrdered ? Atomics.load(words, own + (slot << step)) : words[(own + (slot << step)) | 0]!) | 0;
    }
    const entries = (out - begin) >> 2;
    state[SLOT] = slot;
    state[FRAMES] = (state[FRAMES]! + entries - others) | 0;
    state[BYTES] = (state[BYTES]! + bytes) | 0;
    if (state[BYTES] > UNSETTLED) settle();
    return entries;
  };

  return {
    iova: ring.iova,
    settled: counters,
    counters() {
      settle();
      return counters;
    },
    hashes,
    times,
    core,
    receive,
    supply,
    accept({ damaged = false, fcs = false }) {
      state[KEPT_FCS] = fcs ? FCS : 0;
      state[DAMAGED] = damaged ? 1 : 0;
    },
    arm() {
      state[SLOT] = 0;
      for (let slot = 0; slot < slots; slot++) post(slot);
    },
    waiting,
    unreadFrames() {
      let frames = 0;
      for (let i = 0; i < slots; i++) {
        const opts1 = Atomics.load(words, own + (((state[SLOT]! + i) & mask) << step));
        if (opts1 < 0) break;
        if ((opts1 & last) !== 0) frames++;
      }
      return frames;
    },
    armed() {
      let n = 0;
      for (let slot = 0; slot < slots; slot++) if (words[own + (slot << step)]! < 0) n++;
      return n;
    },
  };
};
