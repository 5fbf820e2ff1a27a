/**
 * The receive ring: takes full buffers from the NIC, gives empty ones back, in one pass.
 *
 * The hot path. Word arithmetic stays in this file; `docs/decisions/0003-burst-link.md` says why it looks as it does.
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
  Rx,
  RxTagTaken,
} from "#chip/descriptors.ts";
import type { DmaDomain, DmaMemory } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FRAME_WORDS, Received } from "#kit/link.ts";
import { RECEIVE_8169, type ReceiveFormat } from "./descriptor-formats.ts";

/** Places in `ReceiveRing.counters`; 53-bit counts. */
export const ReceiveCount = {
  /** Frames handed out, and their bytes without FCS. */
  frames: 0,
  bytes: 1,
  /** Frames the NIC marked bad: CRC, runt, too long. */
  errors: 2,
  /** Written-back words that make no sense: parts of frames, lengths outside the buffer. Counted and dropped. */
  nonsense: 3,
} as const;

export interface ReceiveRing {
  /** Device address of the ring. */
  readonly iova: number;
  readonly counters: Float64Array;
  /** For `turnaround.ts`, which works on both rings at once. */
  readonly core: RingCore & {
    /** Spare buffers: a stack whose height is the second word of the state. */
    readonly free: Int32Array;
    readonly bufferBytes: number;
    readonly format: ReceiveFormat;
  };
  /** As `Link.receive`. Stops early when no spare buffer is left: the NIC then keeps what it has. */
  readonly receive: (burst: Int32Array, budget: number) => number;
  /** As `Link.release`. @throws {OutOfRange} when more buffers come back than were given out. */
  readonly release: (offsets: Int32Array, count: number) => void;
  /** Gives every descriptor to the NIC: at the start, and again after a reset. Held frames are not touched. */
  arm(): void;
  /** True when a frame waits. */
  waiting(): boolean;
  /** Descriptors the NIC has right now. For display only: it walks the ring. */
  armed(): number;
}

/** A ring's memory. */
export interface RingCore {
  /** The DMA window, and where in it the ring starts (words). */
  readonly words: Int32Array;
  readonly base: number;
  /** Descriptors less one. */
  readonly mask: number;
  /** Buffer (byte offset in the window) that each slot holds. */
  readonly held: Int32Array;
  readonly state: Int32Array;
  /** Low half of the device address of the window. */
  readonly addressLow: number;
}

export interface ReceiveRingOptions {
  /** Descriptors: a power of two, 1 to 1024. */
  readonly slots: number;
  /** Bytes in a buffer: a multiple of 8, at most what the format's length can say. */
  readonly bufferBytes: number;
  /** Buffers beyond the ring's own: how many frames the caller may hold. */
  readonly spare: number;
  /** The CPU may reorder loads and stores (arm64): the own word is then accessed through Atomics. */
  readonly weaklyOrdered: boolean;
  /** What the descriptors' words mean; what they mean to the 8169 and later unless told. */
  readonly format?: ReceiveFormat;
}

/** Shortest frame without FCS that is worth looking at: an Ethernet header. */
const SHORTEST = 14;
const FCS = 4;

// The engine folds a module's own constants into the loop, but loads imported ones at every use: 5 ns a frame.
const OWN = Own;
const END_OF_RING = EndOfRing;
const OPTIONS = OPTS2;
const LOW = ADDRESS_LOW;
const HIGH = ADDRESS_HIGH;
const WHOLE = FirstSegment | LastSegment;
const TAG_TAKEN = RxTagTaken;
const TAGGED = Received.tagged;
const STRIDE = FRAME_WORDS;
const FRAMES = ReceiveCount.frames;
const BYTES = ReceiveCount.bytes;
const ERRORS = ReceiveCount.errors;
const NONSENSE = ReceiveCount.nonsense;

/** The bits of opts1 that a verdict is made of, the lowest first: three failures and the protocol. */
const VERDICT_SHIFT = RECEIVE_8169.verdictShift;

/** What protocol and failures say, as `Received` bits. */
const verdicts = (): Int32Array => {
  const table = new Int32Array(32);
  table[Rx.protocol >>> VERDICT_SHIFT] = Received.ipChecksumGood;
  table[Rx.protocolTcp >>> VERDICT_SHIFT] = Received.ipChecksumGood | Received.tcpChecksumGood;
  table[Rx.protocolUdp >>> VERDICT_SHIFT] = Received.ipChecksumGood | Received.udpChecksumGood;
  return table;
};

/**
 * Allocates a ring and its buffers on `scope`. A factory and not a class, so that the engine can treat the ring's
 * address and size as constants: one ring of each kind per thread keeps that true.
 */
export const createReceiveRing = (dma: DmaDomain, scope: DisposableStack, options: ReceiveRingOptions): ReceiveRing => {
  const { slots, bufferBytes, spare, weaklyOrdered, format = RECEIVE_8169 } = options;
  const { length: lengthBits, bad, verdictShift } = format;
  if (slots < 1 || slots > MAX_DESCRIPTORS || (slots & (slots - 1)) !== 0)
    throw new OutOfRange(`receive ring of ${slots} descriptors`, "Use a power of two from 1 to 1024.");
  if (bufferBytes % 8 !== 0 || bufferBytes < 64 || bufferBytes > lengthBits + 1)
    throw new OutOfRange(
      `receive buffers of ${bufferBytes} bytes`,
      `Use a multiple of 8 from 64 to ${lengthBits + 1}.`,
    );

  const ring = scope.use(
    dma.allocate({
      what: "receive ring",
      bytes: slots * DESCRIPTOR_BYTES,
      align: RING_ALIGN,
      direction: "both",
    }),
  );
  const total = slots + spare;
  const pool: DmaMemory = scope.use(
    dma.allocate({ what: "receive buffers", bytes: total * bufferBytes, align: 64, direction: "fromDevice" }),
  );

  const words = dma.window.words;
  const base = ring.offset >> 2;
  const mask = slots - 1;
  const addressLow = dma.iova | 0;
  const addressHigh = Math.floor(dma.iova / 2 ** 32) | 0;
  /** A buffer of 16 KiB has one byte more than its descriptor can say. */
  const room = Math.min(bufferBytes, lengthBits);
  const verdict = verdicts();

  /** Buffer (byte offset in the window) each slot holds, and the spare ones: a stack. */
  const held = new Int32Array(slots);
  const free = new Int32Array(total);
  // More than 64 bytes each: smaller typed arrays live on the engine's heap and cost twice as much in the loop below.
  /** [next slot to look at, spare buffers on the stack]. */
  const state = new Int32Array(32);
  const counters = new Float64Array(16);

  for (let i = 0; i < slots; i++) held[i] = pool.offset + i * bufferBytes;
  for (let i = 0; i < spare; i++) free[i] = pool.offset + (slots + i) * bufferBytes;
  state[1] = spare;

  const posted = (slot: number): number => OWN | room | (slot === mask ? END_OF_RING : 0);

  const arm = (): void => {
    state[0] = 0;
    for (let slot = 0; slot < slots; slot++) {
      const at = base + slot * DESCRIPTOR_WORDS;
      words[at + LOW] = (addressLow + held[slot]!) | 0;
      words[at + HIGH] = addressHigh;
      words[at + OPTIONS] = 0;
      Atomics.store(words, at, posted(slot));
    }
  };

  const receive = (burst: Int32Array, budget: number): number => {
    let slot = state[0]!;
    let spares = state[1]!;
    let out = 0;
    let bytes = 0;
    const end = budget * STRIDE;
    // Once round at most: a NIC that gives back nonsense as fast as it is refused must not hold us here.
    let looks = slots;
    // One atomic load a pass: the engine must not carry the own word over from the pass before.
    let opts1 = Atomics.load(words, base + (slot << 2)) | 0;
    while (opts1 >= 0 && out < end && spares > 0 && looks > 0) {
      const at = (base + (slot << 2)) | 0;
      const length = ((opts1 & lengthBits) - FCS) | 0;
      if ((opts1 & (WHOLE | bad)) === WHOLE && length >= SHORTEST && length + FCS <= room) {
        const opts2 = words[at + OPTIONS]!;
        let flags = verdict[(opts1 >>> verdictShift) & 31]!;
        if ((opts2 & TAG_TAKEN) !== 0) {
          flags |= TAGGED;
          burst[out + 3] = ((opts2 & 0xff) << 8) | ((opts2 & 0xff00) >>> 8);
        } else burst[out + 3] = 0;
        burst[out] = held[slot]!;
        burst[out + 1] = length;
        burst[out + 2] = flags;
        out += STRIDE;
        bytes += length;
        spares--;
        const fresh = free[spares]!;
        held[slot] = fresh;
        words[at + LOW] = (addressLow + fresh) | 0;
      } else if ((opts1 & bad) !== 0) counters[ERRORS]!++;
      else counters[NONSENSE]!++;
      // opts1, the first word, goes last: it gives the slot away.
      words[at + OPTIONS] = 0;
      const own = OWN | room | (slot === mask ? END_OF_RING : 0);
      if (weaklyOrdered) Atomics.store(words, at, own);
      else words[at] = own;
      slot = (slot + 1) & mask;
      looks = (looks - 1) | 0;
      opts1 = (weaklyOrdered ? Atomics.load(words, base + (slot << 2)) : words[(base + (slot << 2)) | 0]!) | 0;
    }
    state[0] = slot;
    state[1] = spares;
    const frames = out / STRIDE;
    counters[FRAMES]! += frames;
    counters[BYTES]! += bytes;
    return frames;
  };

  const release = (offsets: Int32Array, count: number): void => {
    let spares = state[1]!;
    if (spares + count > total - slots) throw new OutOfRange(`${count} receive buffers came back that were not out`);
    for (let i = 0; i < count; i++) free[spares++] = offsets[i]!;
    state[1] = spares;
  };

  return {
    iova: ring.iova,
    counters,
    core: { words, base, mask, held, state, addressLow, free, bufferBytes: room, format },
    receive,
    release,
    arm,
    waiting: () => Atomics.load(words, base + (state[0]! << 2)) >= 0,
    armed: () => {
      let n = 0;
      for (let slot = 0; slot < slots; slot++) if (words[base + (slot << 2)]! < 0) n++;
      return n;
    },
  };
};
