/** Offload requests in transmit descriptors: what is to be done to a frame before it leaves. */
import { TAG, TxInsertTag, TxV2 } from "#chip/descriptors.ts";
import { Protocol } from "#wire/ipv4.ts";

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
  /** Where the transport header starts, in bytes from the start of the frame. */
  transport = 0;
  /** VLAN tag to be put in, or -1. */
  tag = -1;
  /** Segmentation was asked for, perhaps without a size. */
  segment = false;

  /** Second descriptor format: 8102E, 8168C and later. */
  parse(opts1: number, opts2: number): void {
    const segment = opts1 & (TxV2.segment4 | TxV2.segment6);
    this.tag = (opts2 & TxInsertTag) !== 0 ? swapTag(opts2) : -1;
    this.segment = segment !== 0;
    if (this.segment) {
      this.segmentBytes = (opts2 >>> TxV2.segmentSizeShift) & TxV2.segmentSizeMax;
      this.transport = (opts1 >>> TxV2.segmentOffsetShift) & TxV2.segmentOffsetMax;
      this.ipv6 = (segment & TxV2.segment6) !== 0;
      return;
    }
    this.segmentBytes = 0;
    this.transport = (opts2 >>> TxV2.checksumOffsetShift) & TxV2.checksumOffsetMax;
    this.ipChecksum = (opts2 & TxV2.ipv4Checksum) !== 0;
    this.protocol =
      (opts2 & TxV2.tcpChecksum) !== 0 ? Protocol.tcp : (opts2 & TxV2.udpChecksum) !== 0 ? Protocol.udp : 0;
  }
}
