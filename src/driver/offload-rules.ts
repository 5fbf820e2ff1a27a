/**
 * The offloads that may be requested of a chip's transmitter, and the frames on which it fails. The facts of
 * `chip/frames.ts` about a chip are combined once into one function; a chip without faults has no such function. The
 * code in `wire` is not used to parse headers, because the model uses it: no test would detect an error in code that
 * driver and model share.
 */
import { LARGEST_SEGMENT_MTU, TX_LIMITS } from "#chip/descriptors.ts";
import { type FrameFacts, STANDARD_MTU } from "#chip/frames.ts";
import { type Offloads, Send } from "#kit/link.ts";
import { TRANSMIT_FORMATS } from "./descriptor-formats.ts";
import type { TransmitRingOptions } from "./transmit-ring.ts";

/** Offloads that may be requested at this MTU. */
export const offloadsOf = (facts: FrameFacts, mtu: number): Offloads => {
  const { bytes, segments } = TX_LIMITS[facts.transmitFormat];
  const standard = mtu <= STANDARD_MTU;
  return {
    checksum: standard || facts.checksumsJumbo,
    segmentation: mtu <= LARGEST_SEGMENT_MTU && (standard || facts.segmentsJumbo),
    ipv6: TRANSMIT_FORMATS[facts.transmitFormat].ipv6,
    superFrameBytes: bytes,
    segments,
    refuses: refusals(facts),
  };
};

/** Parameters of a transmit ring of this chip. */
export const transmitRules = (
  facts: FrameFacts,
): Pick<TransmitRingOptions, "format" | "frameDescriptors" | "padding"> => ({
  format: TRANSMIT_FORMATS[facts.transmitFormat],
  frameDescriptors: TX_LIMITS[facts.transmitFormat].descriptors,
  padding: paddingRule(facts),
});

/** Says which frames software must pad. */
export interface PaddingRule {
  /** Frames of at least this length need no padding. */
  readonly below: number;
  /** The length to which the frame of `length` bytes at `frame` must be padded; a value up to `length` means no padding. */
  readonly paddedLength: (bytes: Uint8Array, frame: number, length: number) => number;
}

/** Shortest frame on the wire, without FCS. */
const MIN_FRAME = 60;
/**
 * On the 8125A and 8125B, frames below `UDP_HANG_BELOW` bytes may need padding because of a UDP datagram. A datagram to
 * a PTP port must have at least `SHORTEST_PTP` bytes, with the UDP header.
 */
const UDP_HANG_BELOW = 175;
const SHORTEST_PTP = 47;
const UDP_BYTES = 8;
/** UDP port of event messages of the Precision Time Protocol (IEEE 1588). */
export const PTP_EVENT_PORT = 319;
const PTP_GENERAL_PORT = 320;
/**
 * Some chips damage frames shorter than this number of bytes when they insert a checksum (FreeBSD if_re.c, re_encap).
 */
const SHORTEST_CHECKSUMMED = 42;
/** Size in bytes of a buffer that has room for any padded frame. */
export const PADDED_BYTES = 256;

/** The padding rule; undefined for a chip that pads with zeros itself. */
export const paddingRule = (facts: FrameFacts): PaddingRule | undefined => {
  if (facts.hangsOnShortUdp) return { below: UDP_HANG_BELOW, paddedLength: lengthForUdp };
  return facts.padding === "stale" ? { below: MIN_FRAME, paddedLength: () => MIN_FRAME } : undefined;
};

/**
 * The shortest length, at least 60, with which a frame cannot stop the transmitter of an 8125A or 8125B. The UDP header
 * must be complete, and datagrams to PTP ports need 47 bytes (DPDK `drivers/net/r8169`, rtl8125_get_patch_pad_len;
 * Linux's r8169).
 */
const lengthForUdp = (bytes: Uint8Array, frame: number, length: number): number => {
  const udp = udpOffset(bytes, frame, length);
  const rest = length - udp;
  if (udp < 0 || rest >= SHORTEST_PTP) return MIN_FRAME;
  const port = rest < 4 ? 0 : get16(bytes, (frame + udp + 2) | 0);
  const min = udp + (port === PTP_EVENT_PORT || port === PTP_GENERAL_PORT ? SHORTEST_PTP : UDP_BYTES);
  return min < MIN_FRAME ? MIN_FRAME : min;
};

const TYPE_IPV4 = 0x0800;
const TYPE_IPV6 = 0x86dd;
const TYPE_VLAN = 0x8100;
const TYPE_SERVICE_VLAN = 0x88a8;
const IPV4_BYTES = 20;
const IPV6_BYTES = 40;
const TCP_BYTES = 20;
const UDP = 17;
/**
 * IPv6 extension headers that may precede UDP: hop-by-hop options, routing, destination options. Fragments do not stop
 * the transmitter, so the fragment header is not listed.
 */
const EXTENSIONS = [0, 43, 60];

export const get16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[(at + 1) | 0]!;

const isTag = (type: number): boolean => type === TYPE_VLAN || type === TYPE_SERVICE_VLAN;

/** The offset of the network header in bytes from the start of the frame, after up to two tags. */
export const networkOffset = (bytes: Uint8Array, frame: number): number => {
  if (!isTag(get16(bytes, (frame + 12) | 0))) return 14;
  return isTag(get16(bytes, (frame + 16) | 0)) ? 22 : 18;
};

/**
 * The offset of the UDP header from the start of the frame, even if the frame ends inside the header; -1 if the packet
 * is not UDP.
 */
export const udpOffset = (bytes: Uint8Array, frame: number, length: number): number => {
  const network = networkOffset(bytes, frame);
  const type = get16(bytes, frame + network - 2);
  let protocol = -1;
  let at = network;
  if (type === TYPE_IPV4) {
    protocol = bytes[frame + network + 9]!;
    at += (bytes[frame + network]! & 0xf) << 2;
  } else if (type === TYPE_IPV6) {
    protocol = bytes[frame + network + 6]!;
    at += IPV6_BYTES;
    while (EXTENSIONS.includes(protocol) && at + 2 <= length) {
      protocol = bytes[frame + at]!;
      at += (bytes[frame + at + 1]! + 1) << 3;
    }
  }
  return protocol === UDP && at <= length ? at : -1;
};

/** The largest payload of a last segment, in bytes, with which the 8168E-VL fails to segment a frame. */
const SHORT_PAYLOAD = 6;
// Local copies: V8 folds a module's own constants, but loads imported ones at every use.
const SEGMENT_SIZE = Send.segmentSize;
const OVER_IPV6 = Send.ipv6;
const OFFSET = Send.transportOffset;
const OFFSET_SHIFT = Send.transportOffsetShift;

/** Returns one function that checks a frame for all faults of a chip; undefined for a chip without faults. */
const refusals = (facts: FrameFacts): Offloads["refuses"] => {
  const { checksumsPadding, checksumOmitsOptions, segmentsPlainOnly, hangsOnShortUdp } = facts;
  const stale = facts.padding === "stale";
  const shortest = checksumsPadding ? MIN_FRAME : facts.damagesShortFrames ? SHORTEST_CHECKSUMMED : 0;
  const plainIpv4 = checksumOmitsOptions || segmentsPlainOnly;
  // These chips find the headers themselves. No source says whether they find them behind a VLAN tag in the frame, and
  // QEMU's RTL8139C+ does not. So `refuses` returns true for such frames.
  const findsHeaders = facts.transmitFormat === 1;
  if (shortest === 0 && !plainIpv4 && !stale && !findsHeaders) return undefined;

  const refusesChecksum = (bytes: Uint8Array, frame: number, length: number, flags: number): boolean => {
    if (length < shortest) return true;
    if (findsHeaders && isTag(get16(bytes, (frame + 12) | 0))) return true;
    if (!checksumOmitsOptions && !checksumsPadding) return false;
    const network = networkOffset(bytes, frame);
    const at = (frame + network) | 0;
    const ipv6 = (flags & OVER_IPV6) !== 0;
    if (checksumOmitsOptions && !ipv6 && ((flags & OFFSET) >>> OFFSET_SHIFT) - network !== IPV4_BYTES) return true;
    if (!checksumsPadding) return false;
    const packet = ipv6 ? get16(bytes, (at + 4) | 0) + IPV6_BYTES : get16(bytes, (at + 2) | 0);
    if (network + packet !== length) return true;
    return hangsOnShortUdp && length < UDP_HANG_BELOW && lengthForUdp(bytes, frame, length) > length;
  };

  const refusesSegmentation = (bytes: Uint8Array, frame: number, length: number, flags: number): boolean => {
    const transport = (flags & OFFSET) >>> OFFSET_SHIFT;
    const ipv4 = (flags & OVER_IPV6) === 0;
    if (findsHeaders && isTag(get16(bytes, (frame + 12) | 0))) return true;
    if (plainIpv4 && ipv4 && transport - networkOffset(bytes, frame) !== IPV4_BYTES) return true;
    if (!segmentsPlainOnly && !stale) return false;
    const tcpBytes = (bytes[(frame + transport + 12) | 0]! >>> 4) << 2;
    if (segmentsPlainOnly && ipv4 && tcpBytes !== TCP_BYTES) return true;
    // The chip fails if the last segment has at most `few` bytes of payload.
    const headers = transport + tcpBytes;
    const few = segmentsPlainOnly ? SHORT_PAYLOAD : MIN_FRAME - 1 - headers;
    if (few <= 0) return false;
    const size = flags & SEGMENT_SIZE;
    return (length - headers - 1) % size < few;
  };

  return (bytes, frame, length, flags) =>
    (flags & SEGMENT_SIZE) === 0
      ? refusesChecksum(bytes, frame, length, flags)
      : refusesSegmentation(bytes, frame, length, flags);
};
