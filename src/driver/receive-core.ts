/** State shared by the parts of a receive ring: memory, counters and positions. */
import type { BusLow } from "#kit/dma.ts";
import type { ReceiveFormat } from "./descriptor-formats.ts";

/** Places in `ReceiveRing.counters()`; 53-bit counts. */
export const ReceiveCount = {
  /** Frames handed out, and their bytes without FCS. */
  frames: 0,
  bytes: 1,
  /** Frames the NIC marked bad: CRC, runt, too long. */
  errors: 2,
  /** Invalid words written back: parts of frames, lengths outside the buffer. Counted and dropped. */
  nonsense: 3,
} as const;

/** Words of `RingCore.state` of a receive ring. */
export const ReceiveState = {
  /** Next slot to examine. */
  slot: 0,
  /** Spare buffers on the stack. */
  spares: 1,
  /** Bytes to remove from the end of each frame: 4, or 0 to keep the FCS. */
  strip: 2,
  /** 1 when damaged frames are handed out too. */
  damaged: 3,
  /** Good frames and their bytes that are not in the counters yet: see `settle`. */
  frames: 4,
  bytes: 5,
} as const;

/**
 * Bytes up to which a ring's loop counts in its integer state before it adds them to the counters: to add to a double costs the
 * engine more than a nanosecond, which a burst of one frame feels. One more burst never overflows an integer.
 */
export const MOST_UNSETTLED = 2 ** 30;

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
  /** Adds what the loops have counted in `state` to the counters. */
  readonly settle: () => void;
  /** Low half of the device address of the window. */
  readonly addressLow: BusLow;
}

export interface ReceiveCore extends RingCore {
  /** Spare buffers: a stack. */
  readonly free: Int32Array;
  readonly bufferBytes: number;
  readonly format: ReceiveFormat;
  /** Most buffers that a frame may take. */
  readonly pieces: number;
}

/** Shortest frame that is passed on, without FCS: an Ethernet header. */
export const MIN_RECEIVED = 14;
