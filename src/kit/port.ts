/**
 * The cable side of a NIC. Frames are as on the wire, without preamble and FCS.
 *
 * The NIC builds an outgoing frame in memory that the port provides, which saves a copy, and commits it. The port
 * delivers incoming frames to the plugged-in NIC.
 */

import type { FrameMemory } from "./link.ts";

/** Damage to a frame on the wire. */
export const Damage = {
  /** The FCS does not match. */
  crc: 1 << 0,
  /** Shorter than 64 bytes with its FCS. */
  runt: 1 << 1,
  /** Longer than the receiver accepts; its end is missing. */
  long: 1 << 2,
  /** Not a whole number of bytes; such a frame's FCS does not match either. */
  alignment: 1 << 3,
} as const;

/**
 * Segments of one super-frame as they are transmitted: the far end's NIC builds each as it is taken. All have the same
 * headers except for the fields that segmentation changes. The current one is in the port's memory; its headers are
 * valid after `make`.
 */
export interface SegmentSource {
  /** Segments left, including the current one. */
  readonly left: number;
  /** Offset of the current segment, its bytes, and how many of them are headers. */
  readonly offset: number;
  readonly length: number;
  readonly headerBytes: number;
  /** Writes the current segment's headers. @param payloadSum partial sum of its payload, as in `wire/checksum.ts` */
  make(payloadSum: number): void;
  /** The current segment was taken. */
  skip(): void;
}

/** Interface of a NIC to the cable. */
export interface Plug {
  /** Delivers a frame: `length` bytes at `offset` of `bytes`, valid during the call. Returns false if the NIC dropped it. */
  receive(bytes: Uint8Array, offset: number, length: number): boolean;
  /**
   * As `receive` for each of several segments, in the memory of the port that the NIC is connected to, as long as there
   * are buffers. Returns the number taken, which may be 0: then `receive` must be called.
   */
  receiveSegments?(segments: SegmentSource): number;
  /**
   * As `receive`, for a frame damaged on the wire: `damage` has bits of `Damage`. A cable that does not report damage
   * delivers each frame as if its FCS were correct.
   */
  receiveDamaged?(bytes: Uint8Array, offset: number, length: number, damage: number): boolean;
  /** Whether there is a buffer for the next frame: a cable with flow control checks before it delivers, and waits. */
  hasRoom?(): boolean;
}

/** Interface of the cable to a NIC. */
export interface Port {
  /** Memory in which outgoing frames are built. */
  readonly bytes: Uint8Array;
  /** The same with its other views; made from `bytes` if absent. */
  readonly memory?: FrameMemory;
  /**
   * Reserves space for the next outgoing frame of up to `length` bytes: its byte offset, or -1 if the port cannot take
   * it.
   */
  reserve(length: number): number;
  /**
   * The frame in the reserved space is complete, `length` bytes long. After segmentation a NIC may state that the frame
   * `continues` the one committed before: both are TCP segments of one super-frame, and this payload directly follows
   * the previous one. A port that merges segments then need not check that.
   */
  commit(length: number, continues?: boolean): void;
  /**
   * Whether the port also accepts frames in two pieces, by `commitSplit`: headers in the reserved space, and payload
   * anywhere in the same memory. May change between bursts.
   */
  readonly gathers?: boolean;
  /** As `commit`. The payload at byte offset `payloadAt` of the port's memory must not change until `flush`. */
  commitSplit?(headerBytes: number, payloadAt: number, payloadBytes: number, continues: boolean): void;
  /** All frames of this burst are committed: frames held to be sent together are sent now. */
  flush(): void;
  /** Connects a NIC. One at a time. */
  plug(nic: Plug): void;
}
