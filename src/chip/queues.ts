/**
 * Rings, interrupt vectors and interrupt moderation, by chip. Up to RTL8117 a chip has one ring for each direction, a
 * second transmit ring that drivers do not normally use, and one status word; from RTL8125 on, chips differ in these
 * numbers. The RTL8168H has four receive queues, but one receive ring.
 *
 * Sources: DPDK `drivers/net/r8169` (rings, ring pointers, moderation blocks); OpenBSD `if_rgereg.h` and its port to
 * illumos (events in each chip's vectored status word). The rest is from Realtek's own drivers.
 */
/**
 * Bits of the vectored status word; a bit has the number of its MSI-X vector. The bits of the receive queues are
 * consecutive.
 */
export interface VectoredStatus {
  readonly receive: number;
  readonly transmit: number;
  /** Distance between the bits of consecutive transmit queues. */
  readonly transmitStep: number;
  readonly linkChange: number;
  /** The chip can mask an interrupt by itself when it signals the interrupt (IntCfg0). */
  readonly masksItself: boolean;
}

/**
 * Offsets of queue 0's software pointer (`tail`) and hardware pointer (`close`); those of queue n are n × `step`
 * higher.
 */
export interface RingPointers {
  readonly tail: number;
  readonly close: number;
  readonly step: number;
  readonly bytes: 2 | 4;
}

export interface Queues {
  readonly receive: number;
  readonly transmit: number;
  /**
   * `separate`: each receive queue has a ring of its own. `alternating`: the descriptors of all receive queues in use
   * alternate in one ring, and descriptor n of queue q of Q is descriptor n × Q + q of the ring.
   */
  readonly rings: "separate" | "alternating";
  /**
   * Number of vectors on which the chip signals events: 1 if it has one status register. The MSI-X table may have more
   * entries.
   */
  readonly vectors: number;
  readonly vectored: VectoredStatus | undefined;
  /** Number of moderation blocks of 8 bytes. Block n belongs to queue n. */
  readonly moderationBlocks: number;
  /** Unit of moderation time, in microseconds. */
  readonly moderationMicros: number;
  readonly pointers: RingPointers | undefined;
}

/** Transmit queues have bits of their own, here every second bit. */
const B: VectoredStatus = { receive: 0, transmit: 16, transmitStep: 2, linkChange: 21, masksItself: false };
/** The two directions of a queue share a bit. */
const SHARED: VectoredStatus = { receive: 0, transmit: 0, transmitStep: 1, linkChange: 21, masksItself: false };
const BP: VectoredStatus = { ...SHARED, linkChange: 29 };
const CP: VectoredStatus = { receive: 0, transmit: 27, transmitStep: 1, linkChange: 29, masksItself: true };
const D: VectoredStatus = { receive: 0, transmit: 16, transmitStep: 1, linkChange: 18, masksItself: false };
const TEN: VectoredStatus = { receive: 0, transmit: 8, transmitStep: 1, linkChange: 29, masksItself: true };

/** The unit in microseconds: 256 ticks of the 125 MHz timer. On the chips with `LATER` it is 512 ticks. */
const UNIT = 2.048;
const SEPARATE: RingPointers = { tail: 0x2800, close: 0x2802, step: 4, bytes: 2 };
const SAME: RingPointers = { tail: 0x2800, close: 0x2800, step: 4, bytes: 4 };
const LATE: RingPointers = { tail: 0xd30, close: 0xd34, step: 8, bytes: 4 };

/** Dies before RTL8125, except those of the RTL8168H. */
export const QUEUES_SINGLE: Queues = {
  receive: 1,
  transmit: 1,
  rings: "separate",
  vectors: 1,
  vectored: undefined,
  moderationBlocks: 0,
  moderationMicros: 0,
  pointers: undefined,
};
/**
 * RTL8168H and 8168M: a status byte for each receive queue but the first. Realtek's own driver for Linux uses the
 * second transmit ring only on request, and one vector for all queues. That driver decides by the XID which chips have
 * four queues. Realtek's driver for the RTL8107E, which has the same XID, uses one queue.
 */
export const QUEUES_8168H: Queues = { ...QUEUES_SINGLE, receive: 4, rings: "alternating", vectors: 4 };
export const QUEUES_8125A: Queues = {
  receive: 1,
  transmit: 1,
  rings: "separate",
  vectors: 4,
  vectored: undefined,
  moderationBlocks: 32,
  moderationMicros: UNIT,
  pointers: SEPARATE,
};
const SEVERAL = { receive: 4, transmit: 2, rings: "separate", vectors: 32 } as const;
const FEW_BLOCKS = { moderationBlocks: 16, moderationMicros: UNIT } as const;
const LATER = { moderationBlocks: 32, moderationMicros: 2 * UNIT, pointers: LATE } as const;
export const QUEUES_8125B: Queues = { ...SEVERAL, ...FEW_BLOCKS, vectored: B, pointers: SEPARATE };
export const QUEUES_8125BP: Queues = { ...SEVERAL, ...LATER, vectored: BP };
export const QUEUES_8125CP: Queues = { ...SEVERAL, ...LATER, vectored: CP };
export const QUEUES_8125D: Queues = { ...SEVERAL, ...LATER, vectored: D };
export const QUEUES_8126: Queues = { ...SEVERAL, ...FEW_BLOCKS, vectored: SHARED, pointers: SAME };
/** The status word has eight bits for each direction, but DPDK uses only four receive and two transmit queues. */
export const QUEUES_8127: Queues = { ...LATER, ...SEVERAL, receive: 8, transmit: 8, vectored: TEN };
