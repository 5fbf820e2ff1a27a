/**
 * The interface between a driver and a network stack: frames of layer 2 are passed in bursts, without copies.
 *
 * Frames are in buffers of the device's DMA window, and a buffer is identified by its byte offset in the window. A link
 * has one array of entries, four words for each frame (or fragment, for sending), so a burst needs no objects. The
 * caller owns the buffers in the entries. `receive` exchanges the buffer in an entry for a buffer with a received
 * frame. `transmit` exchanges a fragment to be sent for a buffer whose contents were sent earlier. So no separate call
 * returns buffers.
 */
import { OutOfRange } from "./errors.ts";

/** Number of words in an entry. An entry describes a received frame or a fragment to be sent. */
export const FRAME_WORDS = 4;
/** Word 0: byte offset in the DMA window, or `NO_BUFFER`. Word 1: length in bytes, without FCS. */
export const FRAME_OFFSET = 0;
export const FRAME_LENGTH = 1;
/** Word 2: `Received` bits of received frames, `Send` bits of frames to send. */
export const FRAME_FLAGS = 2;
/** Word 3: VLAN tag control information (host order), if the flags say that there is a tag. */
export const FRAME_TAG = 3;
/** Word 0 of an entry without a buffer. In a new link, no entry has a buffer. */
export const NO_BUFFER = -1;
/** Number of entries in a link. */
export const LINK_ENTRIES = 1024;

/** The entries of a new link. */
export const emptyBurst = (entries = LINK_ENTRIES): Int32Array => {
  const burst = new Int32Array(entries * FRAME_WORDS);
  for (let at = 0; at < burst.length; at += FRAME_WORDS) burst[at] = NO_BUFFER;
  return burst;
};

/** @throws {OutOfRange} unless `burst` has `count` entries from entry `first` on */
export const checkEntries = (burst: Int32Array, first: number, count: number): void => {
  const entries = burst.length >> 2;
  const whole = first === (first | 0) && count === (count | 0);
  if (!whole || (first | count | (entries - first - count)) < 0)
    throw new OutOfRange(`${count} entries from ${first} on: a link has entries 0 to ${entries - 1}`);
};

/** Bits that report what the NIC found about a received frame. */
export const Received = {
  /**
   * The NIC has verified the IPv4 header checksum, and it is correct. Also set for IPv6, whose header has no checksum.
   */
  ipChecksumGood: 1 << 0,
  /** The NIC has verified the TCP checksum, and it is correct. */
  tcpChecksumGood: 1 << 1,
  /** The NIC has verified the UDP checksum, and it is correct. */
  udpChecksumGood: 1 << 2,
  /** A VLAN tag was stripped from the frame; it is in word 3. */
  tagged: 1 << 3,
  /**
   * More of this frame follows in the next entry. The other bits and the tag are the same in all entries of a frame.
   */
  more: 1 << 4,
  /** The FCS is wrong or the frame is too short; such frames are received only on request. */
  damaged: 1 << 5,
  /** The NIC has hashed the frame's IP addresses; the hash is in `Link.hashes`. */
  hashed: 1 << 6,
  /** The hash includes the TCP or UDP ports. */
  hashedPorts: 1 << 7,
  /** The NIC has timestamped the frame; the time is in `Link.times`. */
  stamped: 1 << 8,
} as const;

/**
 * Offloads requested for a frame, the same in every fragment of the frame. Request checksums and segmentation only as
 * far as `Offloads` allows; software must do the rest. Insertion of a tag may always be requested.
 */
export const Send = {
  /** Bits 10:0, the maximum segment size: nonzero requests segmentation. */
  segmentSize: 0x7ff,
  /** Bits 20:11, offset of the transport header from the start of the frame in bytes. */
  transportOffsetShift: 11,
  transportOffset: 0x3ff << 11,
  /** Fill in the TCP or UDP checksum (the field contains the pseudo header's sum). */
  tcpChecksum: 1 << 21,
  udpChecksum: 1 << 22,
  /** The network header is IPv6; otherwise IPv4. */
  ipv6: 1 << 23,
  /** Insert the VLAN tag of word 3. */
  tag: 1 << 24,
  /** More fragments of this frame follow. */
  more: 1 << 25,
} as const;

/** The offloads of a NIC for frames that it sends, and their limits. They do not change while the NIC is up. */
export interface Offloads {
  /** Fills in TCP and UDP checksums, and with them the IPv4 header's checksum. */
  readonly checksum: boolean;
  /** Segments TCP super-frames. */
  readonly segmentation: boolean;
  /** Checksums and segmentation also work over IPv6. */
  readonly ipv6: boolean;
  /** Length of the longest super-frame in bytes. */
  readonly superFrameBytes: number;
  /** Largest number of segments of a super-frame. */
  readonly segments: number;
  /**
   * Whether a known erratum of the chip affects the offloads that `flags` requests (checksums or segmentation, not a
   * tag) for the frame of `length` bytes at offset `frame`. Software must then do the work of these offloads. Undefined
   * for chips without such errata.
   */
  readonly refuses: ((bytes: Uint8Array, frame: number, length: number, flags: number) => boolean) | undefined;
}

/** Internet checksums over one memory, faster than a loop in JavaScript. Offsets and lengths are in bytes. */
export interface MemorySums {
  /**
   * Sum of the 16-bit units from `offset` on, in memory order; below 2^17. If the length is odd, the last byte is the
   * lower half of a unit.
   */
  readonly sum: (offset: number, length: number) => number;
  /** Copies the bytes to `to` and returns their sum, as `sum` does. The ranges must not overlap. */
  readonly copySum: (from: number, to: number, length: number) => number;
}

/** Memory of frames, as bytes and as words. */
export interface FrameMemory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Present if supported. Two memories with the same `sums` object are the same memory. */
  readonly sums?: MemorySums | undefined;
}

/** Passes layer 2 frames in bursts. All calls come from one thread, the data-plane thread that polls the queue. */
export interface Link {
  readonly memory: FrameMemory;
  /** Length of each receive buffer in bytes. */
  readonly bufferBytes: number;
  /**
   * The link's entries. The caller may move buffers between entries, and set word 0 to `NO_BUFFER` to keep a buffer.
   */
  readonly burst: Int32Array;
  /** Toeplitz hash of each received entry, 0 if the frame has none; undefined if the descriptors have no hash. */
  readonly hashes?: Int32Array | undefined;
  /**
   * For each entry of the last burst that is marked `stamped`, the time of reception in nanoseconds of the NIC's PTP
   * clock.
   */
  readonly times?: BigInt64Array | undefined;
  /**
   * Receives whole frames into entry `first` and the following ones, up to `budget` entries; returns the number of
   * entries. The buffers of these entries go to the NIC in exchange. For an entry without a buffer, a spare is used;
   * while no spare is left, frames stay in the NIC's ring. A frame that is longer than a buffer has one entry for each
   * of its buffers, all but the last marked with `Received.more`.
   * @throws {OutOfRange} if the first frame needs more entries than `budget`, or one of its entries has memory outside
   * the receive buffers
   */
  receive(first: number, budget: number): number;
  /**
   * Sends the fragments from entry `first` on as long as there is room, but only whole frames. Returns the number of
   * fragments that were accepted. In exchange, each fragment's entry gets the buffer that was last sent with the same
   * descriptor, or `NO_BUFFER` if there is none.
   * @throws {OutOfRange} if the first frame is invalid
   */
  transmit(first: number, count: number): number;
  /**
   * Gives each of the `count` entries that has no buffer a spare receive buffer, in which a frame can be built. If no
   * spare is left for an entry, returns the number of entries before it; otherwise returns `count`.
   */
  supply(first: number, count: number): number;
  /**
   * The number of fragments that the NIC has sent, modulo 2^32, for callers that send from memory of their own.
   * Fragments are sent in order.
   */
  sent(): number;
}
