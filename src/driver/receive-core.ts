/**
 * The state of a ring: memory, counters and positions. The parts of a receive ring share it, and `turnaround.ts` uses
 * it.
 */
import type { BusLow, DmaMemory } from "#kit/dma.ts";
import type { ReceiveFormat } from "./descriptor-formats.ts";

/** Indices of `ReceiveRing.counters()`. The counters have 53 bits. */
export const ReceiveCount = {
  /** Number of frames handed out. */
  frames: 0,
  /** Number of bytes in these frames, without FCS unless it is kept. */
  bytes: 1,
  /** Number of frames that the NIC marked bad (wrong FCS, runt, too long), whether dropped or handed out. */
  errors: 2,
  /**
   * Number of frames and parts of frames that were dropped because their descriptors are invalid: the first or last one
   * is missing, or the length does not fit the buffers.
   */
  nonsense: 3,
} as const;

/** Indices of `RingCore.state` in a receive ring. */
export const ReceiveState = {
  /** Number of the next slot to examine. */
  slot: 0,
  /** Number of spare buffers on the stack. */
  spares: 1,
  /**
   * Number of bytes of the FCS that are handed out: 0 or 4. The initial value is that of zeroed memory, 0, so that
   * another thread that creates the ring again does not change the value.
   */
  keptFcs: 2,
  /** 1 if damaged frames are handed out too, otherwise 0. */
  damaged: 3,
  /** Numbers of good frames and of bytes in them that are not yet added to the counters: see `settle`. */
  frames: 4,
  bytes: 5,
} as const;

/**
 * A ring's loop counts bytes in its integer state, and adds them to the counters when their number exceeds this limit.
 * Adding to a double costs more than a nanosecond, which is significant for a burst of one frame. The limit is so low
 * that the burst that exceeds it cannot overflow the integer.
 */
export const MAX_UNSETTLED = 2 ** 30;

/** A ring's memory. */
export interface RingCore {
  /** The DMA window as words. */
  readonly words: Int32Array;
  /** Index of the ring's first word in the window. */
  readonly base: number;
  /** Number of descriptors minus 1. */
  readonly mask: number;
  /** The buffer that each slot holds, as a byte offset in the window. */
  readonly held: Int32Array;
  readonly state: Int32Array;
  /** Adds to the counters what the loops have counted in `state`. */
  readonly settle: () => void;
  /** Low half of the device address of the window. */
  readonly addressLow: BusLow;
}

export interface ReceiveCore extends RingCore {
  /** The entries of the link. */
  readonly burst: Int32Array;
  /** The memory of all buffers. */
  readonly pool: DmaMemory;
  /** The stack of spare buffers. */
  readonly free: Int32Array;
  readonly bufferBytes: number;
  readonly format: ReceiveFormat;
  /** Binary logarithm of the distance, in words, between two descriptors of the queue. */
  readonly step: number;
  /** The largest number of buffers of a frame. */
  readonly pieces: number;
}

export const FCS_BYTES = 4;
/** Shortest frame that is passed on, without FCS: an Ethernet header. */
export const MIN_RECEIVED = 14;
