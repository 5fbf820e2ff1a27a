/**
 * The cable side of a NIC. Frames are as on the wire, without preamble and FCS.
 *
 * The NIC builds an outgoing frame in memory that the port provides, which saves a copy, and then commits the frame.
 * The port delivers incoming frames to the plugged-in NIC.
 */

import type { FrameMemory } from "./link.ts";

/** Damage to a frame on the wire. */
export const Damage = {
  /** The FCS is wrong. */
  crc: 1 << 0,
  /** The frame is shorter than 64 bytes with its FCS. */
  runt: 1 << 1,
  /** The frame was longer than the receiver accepts, and its end is missing. */
  long: 1 << 2,
  /** The frame is not a whole number of bytes; its FCS is then wrong too. */
  alignment: 1 << 3,
} as const;

/**
 * The segments of one super-frame, each of which is built when the receiving NIC is ready for it. All have the same
 * headers except for the fields that segmentation changes. The current segment is in the port's memory; its headers are
 * valid after `make`.
 */
export interface SegmentSource {
  /** Number of segments left, including the current one. */
  readonly left: number;
  /** Offset of the current segment in the port's memory. */
  readonly offset: number;
  /** Length of the current segment in bytes. */
  readonly length: number;
  /** Length in bytes of the current segment's headers. */
  readonly headerBytes: number;
  /**
   * Writes the current segment's headers.
   * @param payloadSum partial sum of the segment's payload, as in `wire/checksum.ts`
   */
  make(payloadSum: number): void;
  /** Goes on to the next segment. */
  skip(): void;
}

/** A NIC, as the cable sees it. */
export interface Plug {
  /**
   * Delivers the frame of `length` bytes at `offset` of `bytes`, which are valid only during the call. Returns false if
   * the NIC dropped the frame.
   */
  receive(bytes: Uint8Array, offset: number, length: number): boolean;
  /**
   * As `receive`, for several segments in the memory of the port that the NIC is connected to, as long as the NIC has
   * buffers. Returns the number of segments received; if it is 0, pass the next segment to `receive`.
   */
  receiveSegments?(segments: SegmentSource): number;
  /**
   * As `receive`, for a frame damaged on the wire: `damage` has bits of `Damage`. A cable that does not report damage
   * delivers each frame as if its FCS were correct.
   */
  receiveDamaged?(bytes: Uint8Array, offset: number, length: number, damage: number): boolean;
  /**
   * Whether the NIC has a buffer for the next frame. A cable with flow control checks this before it delivers a frame.
   */
  hasRoom?(): boolean;
}

/** The cable, as a NIC sees it. */
export interface Port {
  /** Memory in which outgoing frames are built. */
  readonly bytes: Uint8Array;
  /** The same memory with word access; if absent, the NIC creates it from `bytes`. */
  readonly memory?: FrameMemory;
  /**
   * Reserves space for the next outgoing frame of up to `length` bytes. Returns its byte offset, or -1 if there is no
   * space.
   */
  reserve(length: number): number;
  /**
   * Call when the frame of `length` bytes in the reserved space is complete. `continues` is true if this frame and the
   * previous one are TCP segments of one super-frame, and the payload of this one directly follows the previous payload
   * in the stream. A port that merges segments then need not check these two conditions.
   */
  commit(length: number, continues?: boolean): void;
  /**
   * Whether the port also accepts frames in two pieces, by `commitSplit`: headers in the reserved space, and payload
   * anywhere in the same memory. The value may change between bursts.
   */
  readonly gathers?: boolean;
  /** As `commit`. The payload at byte offset `payloadAt` of the port's memory must not change until `flush`. */
  commitSplit?(headerBytes: number, payloadAt: number, payloadBytes: number, continues: boolean): void;
  /** Call when all frames of a burst are committed. The port then sends those that it has held back. */
  flush(): void;
  /** Connects a NIC. Only one can be connected at a time. */
  plug(nic: Plug): void;
}
