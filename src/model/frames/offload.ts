/** Offload requests in transmit descriptors: what is to be done to a frame before it leaves. */
import { TAG, TxInsertTag, TxV1, TxV2 } from "#chip/descriptors.ts";
import { Protocol } from "#wire/ipv4.ts";

/** Segment sizes have 11 bits in both formats. */
const SIZE = TxV2.segmentSizeMax;
/** Where the transport header starts is left to the chip, which reads it off the IPv4 header. */
export const FOUND_BY_CHIP = -1;

/** A tag in a descriptor, whose two bytes are the other way round there. Works in both directions. */
export const swapTag = (word: number): number => ((word & 0xff) << 8) | ((word & TAG) >>> 8);

/** What a frame's first descriptor asks for. One object, filled in anew for each frame. */
export class OffloadRequest {
  /** Segment size in bytes; 0 when the frame is not to be cut. */
  segmentBytes = 0;
  /** The frame is to be cut and its network header is IPv6. */
  ipv6 = false;
  /** Fill in the IPv4 header checksum. */
  ipChecksum = false;
  /** TCP or UDP when its checksum is to be filled in, otherwise 0. */
  protocol = 0;
  /** Where the transport header starts, in bytes from the start of the frame, or `FOUND_BY_CHIP`. */
  transport = FOUND_BY_CHIP;
  /** VLAN tag to be put in, or -1. */
  tag = -1;
  /** Segmentation was asked for, perhaps without a size. */
  segment = false;
  /** A TCP or UDP checksum was asked for, but not the IP bit without which nothing comes of it. */
  vain = false;

  /** Leaves the frame's checksums as they are. */
  dropChecksums(): void {
    this.ipChecksum = false;
    this.protocol = 0;
  }
}

/** Reads the first descriptor of a frame, whichever format the chip has. */
export type ParseRequest = (request: OffloadRequest, opts1: number, opts2: number) => void;

const tagIn = (opts2: number): number => ((opts2 & TxInsertTag) !== 0 ? swapTag(opts2) : -1);

/**
 * First descriptor format: 8169, 8110, 8101E, 8168B. IPv4 only, and the chip finds the headers itself. A TCP or UDP checksum
 * is made only along with the IP one (FreeBSD if_re.c, re_encap).
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
  request.vain = !segment && !ip && protocol !== 0;
};

/**
 * Second descriptor format: 8102E, 8168C and later. The transport offset matters for IPv6 alone when summing: DPDK's and
 * FreeBSD's drivers leave it 0 with IPv4, and NetBSD's does when segmenting.
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
  request.vain = ip === 0 && protocol !== 0;
  request.transport = request.ipChecksum
    ? FOUND_BY_CHIP
    : (opts2 >>> TxV2.checksumOffsetShift) & TxV2.checksumOffsetMax;
};

/** What follows the tag in opts2 of the second format: checksums, or a segment's size. The first has nothing there. */
const SECOND = ~0 << TxV2.segmentSizeShift;

export const parseEitherFormat: ParseRequest = (request, opts1, opts2) => {
  if ((opts2 & SECOND) !== 0) {
    parseSecondFormat(request, opts1, opts2);
    return;
  }
  parseFirstFormat(request, opts1, opts2);
  request.transport = FOUND_BY_CHIP;
};
