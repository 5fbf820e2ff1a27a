/**
 * The interface between a driver and a network stack: layer 2, in bursts, without copies.
 *
 * Frames lie in buffers of the device's DMA window and are named by their byte offset in it. A burst is an Int32Array
 * with four words a frame (or fragment, when sending); no objects, so a burst costs nothing but its words. Whoever holds
 * an offset owns the buffer: `receive` gives buffers to the caller, `release` gives them back; `transmit` gives
 * fragments to the NIC, `reclaim` says which ones it is done with.
 */

/** Words a frame (received) or fragment (to be sent) takes in a burst. */
export const FRAME_WORDS = 4;
/** Word 0: byte offset in the DMA window. Word 1: length in bytes, without FCS. */
export const FRAME_OFFSET = 0;
export const FRAME_LENGTH = 1;
/** Word 2: `Received` bits on the way in, `Send` bits on the way out. */
export const FRAME_FLAGS = 2;
/** Word 3: VLAN tag control information (host order) when the flags say there is one. */
export const FRAME_TAG = 3;

/** What the NIC found out about a received frame. */
export const Received = {
  /** The NIC verified the IP header checksum and it was right. */
  ipChecksumGood: 1 << 0,
  /** The NIC verified the TCP checksum and it was right. */
  tcpChecksumGood: 1 << 1,
  /** The NIC verified the UDP checksum and it was right. */
  udpChecksumGood: 1 << 2,
  /** A VLAN tag was taken out of the frame; it is in word 3. */
  tagged: 1 << 3,
} as const;

/** What the NIC is asked to do to a frame that it sends. The same in every fragment of a frame. */
export const Send = {
  /** Bits 10:0, the maximum segment size: nonzero asks for segmentation. */
  segmentSize: 0x7ff,
  /** Bits 20:11, where the transport header starts, in bytes from the start of the frame. */
  transportOffsetShift: 11,
  transportOffset: 0x3ff << 11,
  /** Fill in the TCP or UDP checksum (the field holds the pseudo header's sum). */
  tcpChecksum: 1 << 21,
  udpChecksum: 1 << 22,
  /** The network header is IPv6; otherwise IPv4. */
  ipv6: 1 << 23,
  /** Insert the VLAN tag of word 3. */
  tag: 1 << 24,
  /** More fragments of this frame follow. */
  more: 1 << 25,
} as const;

/** What a NIC does to frames that it sends, and within which limits. Constant while the NIC is up. */
export interface Offloads {
  /** Fills in TCP and UDP checksums, and with them the IPv4 header's. */
  readonly checksum: boolean;
  /** Cuts TCP super-frames. */
  readonly segmentation: boolean;
  /** Does both over IPv6 too. */
  readonly ipv6: boolean;
  /** Longest super-frame in bytes, and most segments of one. */
  readonly superFrameBytes: number;
  readonly segments: number;
  /**
   * Whether the chip is known to get wrong what `flags` (a checksum or segments, no tag) ask of the frame of `length` bytes at
   * `frame`: software must do it then. Undefined for chips that get nothing wrong.
   */
  readonly refuses: ((bytes: Uint8Array, frame: number, length: number, flags: number) => boolean) | undefined;
}

/** Internet checksums over one memory, by something faster than a loop. Offsets and lengths are bytes of that memory. */
export interface MemorySums {
  /** Sum of 16-bit units as they lie in memory from `offset` on, below 2^17; a last odd byte is a lower half. */
  readonly sum: (offset: number, length: number) => number;
  /** The same, and copies the bytes to `to`, where they must not overlap. */
  readonly copySum: (from: number, to: number, length: number) => number;
}

/** Memory frames live in, as bytes and as words. */
export interface FrameMemory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Where there is such a thing. Two memories with the same one are one memory. */
  readonly sums?: MemorySums | undefined;
}

/** Layer 2 in bursts. All calls come from the data-plane thread. */
export interface Link {
  readonly memory: FrameMemory;
  /** Bytes in each receive buffer. */
  readonly bufferBytes: number;
  /** Receives up to `budget` frames into `burst`; returns how many. Their buffers are the caller's until released. */
  receive(burst: Int32Array, budget: number): number;
  /** Gives `count` receive buffers, named by the byte offsets in `offsets`, back to the receiver. */
  release(offsets: Int32Array, count: number): void;
  /** Sends the leading fragments of `burst` as far as there is room; whole frames only. Returns fragments taken. */
  transmit(burst: Int32Array, count: number): number;
  /** Stores the byte offsets of up to `limit` sent fragments into `offsets`, in order of sending; returns how many. */
  reclaim(offsets: Int32Array, limit: number): number;
}
