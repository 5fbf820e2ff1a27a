/** Offsets of the headers in a frame, found in one pass, without allocation or access beyond the frame. */
import { get16 } from "./bigendian.ts";
import { ETHERNET_BYTES, EtherType, networkOffset } from "./ethernet.ts";
import { ICMP_BYTES } from "./icmp.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";
import { tcpHeaderLength } from "./tcp.ts";
import { UDP_BYTES, udpLength } from "./udp.ts";
import { TAG_BYTES } from "./vlan.ts";

/** Indices of the results in `out` of `dissect`. Offsets are in bytes from the start of the frame. */
export const ETHER_TYPE = 0;
export const NETWORK = 1;
/** Length in bytes of the network header, including options or extension headers. */
export const NETWORK_LENGTH = 2;
/** IP protocol number of the header at `TRANSPORT`. */
export const PROTOCOL = 3;
export const TRANSPORT = 4;
export const TRANSPORT_LENGTH = 5;
/** Offset of the payload of the innermost header that was parsed. */
export const PAYLOAD = 6;
/** Length in bytes of the payload at `PAYLOAD`, without the frame's padding. */
export const PAYLOAD_LENGTH = 7;
export const TRAITS = 8;
export const DISSECTION_WORDS = 9;

export const Trait = {
  /** Bits 1:0: the number of VLAN tags. */
  tags: 3,
  /** An IP fragment: nothing after the network header is interpreted. */
  fragment: 1 << 2,
  /** The EtherType is IP, but the header does not describe a packet that fits into the frame. */
  malformed: 1 << 3,
} as const;

/** The innermost layer that was parsed. The lengths in `out` of headers that were not parsed are 0. */
export const Layer = { none: 0, ethernet: 1, network: 2, transport: 3 } as const;

/**
 * Dissects the frame of `length` bytes at `frame` in `bytes`. Returns a `Layer`: `transport` for complete UDP datagrams
 * and complete TCP, ICMP and ICMPv6 headers; `network` for other IP packets, such as fragments; `ethernet` for other
 * frames; `none` for a frame that is too short.
 */
export const dissect = (bytes: Uint8Array, frame: number, length: number, out: Int32Array): number => {
  for (let i = 0; i < DISSECTION_WORDS; i++) out[i] = 0;
  const network = networkOffset(bytes, frame, length);
  if (network < 0) return Layer.none;
  out[ETHER_TYPE] = get16(bytes, frame + network - 2);
  out[NETWORK] = network;
  out[PAYLOAD] = network;
  out[PAYLOAD_LENGTH] = length - network;
  out[TRAITS] = (network - ETHERNET_BYTES) / TAG_BYTES;
  if (out[ETHER_TYPE] === EtherType.ipv4) return dissectIpv4(bytes, frame, length, out);
  if (out[ETHER_TYPE] === EtherType.ipv6) return dissectIpv6(bytes, frame, length, out);
  return Layer.ethernet;
};

const malformed = (out: Int32Array): number => {
  out[TRAITS]! |= Trait.malformed;
  return Layer.ethernet;
};

const dissectIpv4 = (bytes: Uint8Array, frame: number, length: number, out: Int32Array): number => {
  const at = frame + out[NETWORK]!;
  const headerLength = ipv4.ipv4HeaderLength(bytes, at, frame + length);
  if (headerLength === 0) return malformed(out);
  const packetEnd = at + get16(bytes, at + ipv4.TOTAL_LENGTH);
  const fragment = (get16(bytes, at + ipv4.FRAGMENT) & (ipv4.MORE_FRAGMENTS | ipv4.FRAGMENT_OFFSET)) !== 0;
  return behindNetwork(bytes, frame, at + headerLength, packetEnd, bytes[at + ipv4.PROTOCOL]!, fragment, out);
};

const dissectIpv6 = (bytes: Uint8Array, frame: number, length: number, out: Int32Array): number => {
  const at = frame + out[NETWORK]!;
  if (!ipv6.isIpv6(bytes, at, frame + length)) return malformed(out);
  const packetEnd = at + ipv6.IPV6_BYTES + get16(bytes, at + ipv6.PAYLOAD_LENGTH);
  const found = ipv6.skipExtensions(bytes, at + ipv6.IPV6_BYTES, packetEnd, bytes[at + ipv6.NEXT_HEADER]!);
  if (found < 0) return malformed(out);
  const protocol = found % 256;
  const transport = (found - protocol) / 256;
  return behindNetwork(bytes, frame, transport, packetEnd, protocol, protocol === ipv6.Extension.fragment, out);
};

const behindNetwork = (
  bytes: Uint8Array,
  frame: number,
  at: number,
  end: number,
  protocol: number,
  fragment: boolean,
  out: Int32Array,
): number => {
  out[NETWORK_LENGTH] = at - frame - out[NETWORK]!;
  out[PROTOCOL] = protocol;
  out[TRANSPORT] = at - frame;
  out[PAYLOAD] = at - frame;
  out[PAYLOAD_LENGTH] = end - at;
  if (fragment) {
    out[TRAITS]! |= Trait.fragment;
    return Layer.network;
  }
  const header = transportHeaderLength(bytes, at, end, protocol);
  if (header === 0) return Layer.network;
  out[TRANSPORT_LENGTH] = header;
  out[PAYLOAD] = at - frame + header;
  // A datagram may be shorter than its packet.
  const length = protocol === ipv4.Protocol.udp ? udpLength(bytes, at, end) : end - at;
  out[PAYLOAD_LENGTH] = length - header;
  return Layer.transport;
};

const transportHeaderLength = (bytes: Uint8Array, at: number, end: number, protocol: number): number => {
  if (protocol === ipv4.Protocol.tcp) return tcpHeaderLength(bytes, at, end);
  if (protocol === ipv4.Protocol.udp) return udpLength(bytes, at, end) === 0 ? 0 : UDP_BYTES;
  if (protocol === ipv4.Protocol.icmp || protocol === ipv4.Protocol.icmpv6)
    return end - at < ICMP_BYTES ? 0 : ICMP_BYTES;
  return 0;
};
