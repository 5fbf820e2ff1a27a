/**
 * Descriptors: 16 bytes, four little-endian words (opts1, opts2, address low, address high), for both directions.
 *
 * Sources: RTL8169 datasheet, descriptor tables; FreeBSD `if_rlreg.h` (RL_TDESC_*, RL_RDESC_*).
 */

export const DESCRIPTOR_BYTES = 16;
export const DESCRIPTOR_WORDS = 4;
export const OPTS1 = 0;
export const OPTS2 = 1;
export const ADDRESS_LOW = 2;
export const ADDRESS_HIGH = 3;

/** Rings start on a 256-byte boundary. */
export const RING_ALIGN = 256;
/** The largest ring of any chip, in descriptors; `FrameFacts.ringLimit` is each chip's own limit. */
export const MAX_DESCRIPTORS = 4096;

/** Bits of opts1 that are the same in both directions. */
export const Own = 0x8000_0000 | 0;
export const EndOfRing = 1 << 30;
export const FirstSegment = 1 << 29;
export const LastSegment = 1 << 28;

/** Transmit, opts1: bits 15:0 are the fragment's length. */
export const TxLength = 0xffff;

/** Transmit, opts2, all chips: insert the VLAN tag in bits 15:0, which is in network byte order. */
export const TxInsertTag = 1 << 17;

/** Transmit, first descriptor format: 8139C+, 8169, 8110, 8101E, 8168B. */
export const TxV1 = {
  /** opts1: segmentation; the segment size is in bits 26:16. */
  segment: 1 << 27,
  segmentSizeShift: 16,
  ipChecksum: 1 << 18,
  udpChecksum: 1 << 17,
  tcpChecksum: 1 << 16,
} as const;
/**
 * Status bits in opts1 after write-back; only the RTL8139C+ sets any of them (RTL8169 datasheet, Tx status descriptor).
 * The BSD drivers count errors and collisions from these bits.
 */
export const TxV1Status = 0x0fff_0000;

/**
 * Transmit, second descriptor format: 8102E, 8168C and later. Segmentation can still be requested with the bit of the
 * first format, for IPv4 only; the segment size is then in the position of the second format (FreeBSD if_re.c,
 * re_encap).
 */
export const TxV2 = {
  /** opts1: segmentation of an IPv4 or IPv6 frame; the transport offset is in bits 24:18. */
  segment4: 1 << 26,
  segment6: 1 << 25,
  segmentOffsetShift: 18,
  segmentOffsetMax: 0x7f,
  /** opts2, with segmentation: the segment size. */
  segmentSizeShift: 18,
  segmentSizeMax: 0x7ff,
  /** opts2, without segmentation: checksums and the transport offset. */
  udpChecksum: 0x8000_0000 | 0,
  tcpChecksum: 1 << 30,
  ipv4Checksum: 1 << 29,
  ipv6Checksum: 1 << 28,
  checksumOffsetShift: 18,
  checksumOffsetMax: 0x3ff,
} as const;

/**
 * Limits by transmit format: length and number of segments of a super-frame (as in Linux's r8169), and number of
 * descriptors of a frame. The number of descriptors is that of DPDK `drivers/net/r8169`, RTL_MAX_TX_SEG, for the second
 * format; for the first format there is no source, so the number of segments is used.
 */
export const TX_LIMITS = {
  1: { bytes: 32_000, segments: 24, descriptors: 24 },
  2: { bytes: 64_000, segments: 64, descriptors: 64 },
} as const;
/** Largest MTU with segmentation offload: up to this MTU, every segment size fits into its field of 11 bits. */
export const LARGEST_SEGMENT_MTU = 0x7ff;

/** Receive, opts1. */
export const Rx = {
  /** Buffer size when posted, frame length with FCS when written back. */
  length: 0x3fff,
  multicast: 1 << 27,
  physical: 1 << 26,
  broadcast: 1 << 25,
  /** The frame is too long for the receiver. */
  watchdog: 1 << 22,
  errorSummary: 1 << 21,
  runt: 1 << 20,
  crcError: 1 << 19,
  /** Protocol: one bit for UDP, one for TCP, both for another protocol over IP, neither if the frame is not IP. */
  protocolUdp: 1 << 18,
  protocolTcp: 1 << 17,
  protocol: 3 << 17,
  ipChecksumFailed: 1 << 16,
  udpChecksumFailed: 1 << 15,
  tcpChecksumFailed: 1 << 14,
} as const;

/**
 * Receive, opts1, of the RTL8139C+: nearly the same fields, most of them one bit lower (FreeBSD `if_rlreg.h`,
 * RL_RDESC_STAT_*, and if_re.c, re_rxeof).
 */
export const RxCPlus = {
  length: 0x1fff,
  multicast: 1 << 26,
  physical: 1 << 25,
  broadcast: 1 << 24,
  fifoOverflow: 1 << 22,
  /** The frame is longer than 4096 bytes. */
  watchdog: 1 << 21,
  errorSummary: 1 << 20,
  runt: 1 << 19,
  crcError: 1 << 18,
  protocolUdp: 1 << 17,
  protocolTcp: 1 << 16,
  protocol: 3 << 16,
  ipChecksumFailed: 1 << 15,
  udpChecksumFailed: 1 << 14,
  tcpChecksumFailed: 1 << 13,
} as const;

/**
 * Receive, opts2, chips with the second transmit format: the IP version of the packet (FreeBSD `if_rlreg.h`,
 * RL_RDESC_IPV4).
 */
export const RxV2 = { ipv6: 0x8000_0000 | 0, ipv4: 1 << 30 } as const;

/**
 * The RTL8168H's receive descriptors with a hash, enabled by RxConfig bit 24: the four classic words, and four more of
 * which one is the hash. The hash's type is in opts2. Source: Realtek's own driver for Linux (RxDescV2), which waits a
 * little if the hash is 0, because the chip may write the hash after opts1.
 */
export const V2_BYTES = 32;
export const V2_HASH = 5;
export const HashedV2 = { ipv4: 1 << 17, ipv6: 1 << 18, tcp: 1 << 19, udp: 0 } as const;

/** Receive, opts2: the chip has removed a VLAN tag. The tag is in bits 15:0 (`TAG`), in network byte order. */
export const RxTagTaken = 1 << 16;
export const TAG = 0xffff;
