/**
 * The cable end of a NIC. Frames here are as on the wire, without preamble and FCS.
 *
 * The NIC builds an outgoing frame in memory that the port lends (so no frame is copied twice), then commits it. The
 * port hands incoming frames to whoever is plugged in.
 */

import type { FrameMemory } from "./link.ts";

/** What the wire can have done to a frame. */
export const Damage = {
  /** The FCS does not match. */
  crc: 1 << 0,
  /** Shorter than 64 bytes with its FCS. */
  runt: 1 << 1,
  /** Longer than the receiver takes; its end is missing. */
  long: 1 << 2,
  /** Not a whole number of bytes; such a frame's FCS does not match either. */
  alignment: 1 << 3,
} as const;

/**
 * Segments of one super-frame, on their way into a cable: the other machine's NIC cuts them as they are taken. Each has the
 * same headers but for what segmentation changes. The present one lies in the port's memory, its headers once `make` was called.
 */
export interface SegmentSource {
  /** Segments left, with the present one. */
  readonly left: number;
  /** Where the present segment is, its bytes, and how many of them are headers. */
  readonly offset: number;
  readonly length: number;
  readonly headerBytes: number;
  /** Writes the present segment's headers. @param payloadSum partial sum of its payload, as `wire/checksum.ts` has them */
  make(payloadSum: number): void;
  /** The present segment was taken. */
  skip(): void;
}

/** What a NIC shows to the cable. */
export interface Plug {
  /** A frame arrives: `length` bytes at `offset` of `bytes`, valid during the call. False when the NIC dropped it. */
  receive(bytes: Uint8Array, offset: number, length: number): boolean;
  /**
   * As `receive` for each of several segments, from the memory of the port that the NIC is plugged into, as long as there are
   * buffers for them. Returns how many were taken, which may be none: `receive` has to be asked then.
   */
  receiveSegments?(segments: SegmentSource): number;
  /**
   * As `receive`, for a frame that the wire has damaged: `damage` has bits of `Damage`. A cable that says nothing about
   * damage delivers whatever became of a frame as if its FCS had been made for it.
   */
  receiveDamaged?(bytes: Uint8Array, offset: number, length: number, damage: number): boolean;
  /** Whether the next frame would find a buffer: a cable with flow control asks before it delivers, and waits. */
  hasRoom?(): boolean;
}

/** What the cable offers the NIC. */
export interface Port {
  /** Memory in which outgoing frames are built. */
  readonly bytes: Uint8Array;
  /** The same with what else the port knows of it; made from `bytes` where the port does not say. */
  readonly memory?: FrameMemory;
  /** Where the next outgoing frame of up to `length` bytes may be built: a byte offset, or -1 when it cannot be taken. */
  reserve(length: number): number;
  /**
   * The frame in the reserved place is complete, `length` bytes long. A NIC that has cut a super-frame may say that the
   * frame `continues` the one committed before it: both are TCP segments with the headers of the same super-frame, and
   * this one's payload was right behind that one's. A port that merges segments then need not find that out.
   */
  commit(length: number, continues?: boolean): void;
  /**
   * Whether the port also takes frames in two pieces, by `commitSplit`: headers in the reserved place, and payload anywhere
   * in the same memory. Says so by its presence; may change between bursts.
   */
  readonly gathers?: boolean;
  /** As `commit`. The payload at byte offset `payloadAt` of the port's memory must stay untouched until `flush`. */
  commitSplit?(headerBytes: number, payloadAt: number, payloadBytes: number, continues: boolean): void;
  /** All frames of this burst are committed: what is held back to be sent together goes out now. */
  flush(): void;
  /** Plugs a NIC in. One at a time. */
  plug(nic: Plug): void;
}
