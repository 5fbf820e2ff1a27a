/** Offload requests in transmit descriptors. */
import { TAG, TxInsertTag, TxV1, TxV2 } from "#chip/descriptors.ts";
import { Protocol } from "#wire/ipv4.ts";

/** Segment sizes have 11 bits in both formats. */
const SIZE = TxV2.segmentSizeMax;
/** Value of `transport`: the chip finds the transport header itself, from the length of the IPv4 header. */
export const FOUND_BY_CHIP = -1;

/** Swaps the bytes of a VLAN tag, which descriptors hold in reverse order. Works in both directions. */
export const swapTag = (word: number): number => ((word & 0xff) << 8) | ((word & TAG) >>> 8);

/** The offloads that a frame's first descriptor requests. One object is reused for each frame. */
export class OffloadRequest {
  /** Segment size in bytes; 0 if the frame is not to be segmented. */
  segmentBytes = 0;
  /** Whether the frame is to be segmented and its network header is IPv6. */
  ipv6 = false;
  /** Whether the IPv4 header checksum is to be filled in. */
  ipChecksum = false;
  /** `Protocol.tcp` or `Protocol.udp` if its checksum is to be filled in, otherwise 0. */
  protocol = 0;
  /** Offset of the transport header from the start of the frame in bytes, or `FOUND_BY_CHIP`. */
  transport = FOUND_BY_CHIP;
  /** VLAN tag to insert, or -1. */
  tag = -1;
  /** Whether segmentation was requested, even if without a segment size. */
  segment = false;
  /** Whether a TCP or UDP checksum was requested without the IP bit, so that the chip does not compute the checksum. */
  ipBitMissing = false;

  /** Cancels the checksum requests, so that the frame's checksums stay as they are. */
  dropChecksums(): void {
    this.ipChecksum = false;
    this.protocol = 0;
  }
}

/** Reads the first descriptor of a frame in one of the formats. */
export type ParseRequest = (request: OffloadRequest, opts1: number, opts2: number) => void;

const tagIn = (opts2: number): number => ((opts2 & TxInsertTag) !== 0 ? swapTag(opts2) : -1);

/**
 * First descriptor format: 8169, 8110, 8101E, 8168B. IPv4 only; the chip finds the headers itself. It computes a TCP or
 * UDP checksum only together with the IP checksum (FreeBSD if_re.c, re_encap).
 */
export const parseFirstFormat: ParseRequest = (request, opts1, opts2) => {
  const segment = (opts1 & TxV1.segment) !== 0;
  const ip = (opts1 & TxV1.ipChecksum) !== 0;
  const protocol =
    (opts1 & TxV1.tcpChecksum) !== 0 ? Protocol.tcp : (opts1 & TxV1.udpChecksum) !== 0 ? Protocol.udp : 0;
  request.tag = tagIn(opts2);
  request.segment = segment;
  request.segmentBytes = segment ? (opts1 >>> TxV1.segmentSizeShift) & SIZE : 0;
  request.ipv6 = false;
  request.ipChecksum = !segment && ip;
  request.protocol = !segment && ip ? protocol : 0;
  request.ipBitMissing = !segment && !ip && protocol !== 0;
};

/**
 * Second descriptor format: 8102E, 8168C and later. For checksums, the chip uses the transport offset only with IPv6,
 * because DPDK's and FreeBSD's drivers set the offset to 0 with IPv4. NetBSD's driver also sets it to 0 for
 * segmentation, and the chip then finds the header itself.
 */
export const parseSecondFormat: ParseRequest = (request, opts1, opts2) => {
  const segment = opts1 & (TxV2.segment4 | TxV2.segment6 | TxV1.segment);
  request.tag = tagIn(opts2);
  request.segment = segment !== 0;
  if (segment !== 0) {
    const old = (segment & (TxV2.segment4 | TxV2.segment6)) === 0;
    const offset = (opts1 >>> TxV2.segmentOffsetShift) & TxV2.segmentOffsetMax;
    request.segmentBytes = (opts2 >>> TxV2.segmentSizeShift) & SIZE;
    request.transport = old || offset === 0 ? FOUND_BY_CHIP : offset;
    request.ipv6 = (segment & TxV2.segment6) !== 0;
    return;
  }
  const ip = opts2 & (TxV2.ipv4Checksum | TxV2.ipv6Checksum);
  const protocol =
    (opts2 & TxV2.tcpChecksum) !== 0 ? Protocol.tcp : (opts2 & TxV2.udpChecksum) !== 0 ? Protocol.udp : 0;
  request.segmentBytes = 0;
  request.ipChecksum = (ip & TxV2.ipv4Checksum) !== 0;
  request.protocol = ip === 0 ? 0 : protocol;
  request.ipBitMissing = ip === 0 && protocol !== 0;
  request.transport = request.ipChecksum
    ? FOUND_BY_CHIP
    : (opts2 >>> TxV2.checksumOffsetShift) & TxV2.checksumOffsetMax;
};

/** Bits of opts2 above the tag. Only the second format uses them, for checksums or the segment size. */
const SECOND = ~0 << TxV2.segmentSizeShift;

export const parseEitherFormat: ParseRequest = (request, opts1, opts2) => {
  if ((opts2 & SECOND) !== 0) {
    parseSecondFormat(request, opts1, opts2);
    return;
  }
  parseFirstFormat(request, opts1, opts2);
  request.transport = FOUND_BY_CHIP;
};
