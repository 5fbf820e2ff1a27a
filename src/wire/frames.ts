/**
 * Builds complete frames with checksums, for packet generators, tests and peers of the responder. Too slow for hot
 * paths.
 */
import { put16 } from "./bigendian.ts";
import { buildEthernet, type Ethernet, EtherType } from "./ethernet.ts";
import { fillIpv4Checksum, fillTransportChecksum } from "./fill.ts";
import { finish, sum } from "./checksum.ts";
import { buildEcho, CHECKSUM as ICMP_CHECKSUM, type Echo, ICMP_BYTES, Icmpv6Type } from "./icmp.ts";
import { buildIpv4, DONT_FRAGMENT, Protocol } from "./ipv4.ts";
import { buildIpv6 } from "./ipv6.ts";
import type { Memory } from "./memory.ts";
import { buildTcp, type Tcp } from "./tcp.ts";
import { buildUdp, UDP_BYTES } from "./udp.ts";
import { buildTag } from "./vlan.ts";

/** Source and destination. IPv4 addresses are numbers, IPv6 addresses 16 bytes. */
export interface Ends extends Omit<Ethernet, "type"> {
  readonly from: number | Uint8Array;
  readonly to: number | Uint8Array;
  /** VLAN tag control information; absent for a frame without a tag. */
  readonly tag?: number;
  /** IPv4 identification; 0 when absent. */
  readonly identification?: number;
}

const HOPS = 64;

/**
 * Writes Ethernet header, tag and IP header of a packet with `length` bytes of payload; returns the offset of the
 * payload.
 * @throws {RangeError} if one address is IPv4 and the other IPv6
 */
export const buildNetwork = (bytes: Uint8Array, at: number, ends: Ends, protocol: number, length: number): number => {
  const { from, to } = ends;
  let network = buildEthernet(bytes, at, { ...ends, type: EtherType.vlan });
  if (ends.tag !== undefined) network = buildTag(bytes, network - 2, ends.tag) + 2;
  if (typeof from === "number" && typeof to === "number") {
    put16(bytes, network - 2, EtherType.ipv4);
    return buildIpv4(bytes, network, {
      totalLength: 20 + length,
      identification: ends.identification ?? 0,
      fragment: DONT_FRAGMENT,
      timeToLive: HOPS,
      protocol,
      source: from,
      destination: to,
    });
  }
  if (typeof from === "number" || typeof to === "number") throw new RangeError("one end is IPv4, the other IPv6");
  put16(bytes, network - 2, EtherType.ipv6);
  return buildIpv6(bytes, network, {
    payloadLength: length,
    nextHeader: protocol,
    hopLimit: HOPS,
    source: from,
    destination: to,
  });
};

const networkAt = (at: number, ends: Ends): number => at + (ends.tag === undefined ? 14 : 18);

/** Builds a UDP frame at `at`; returns its length. */
export const buildUdpFrame = (
  memory: Memory,
  at: number,
  ends: Ends,
  ports: { readonly sourcePort: number; readonly destinationPort: number },
  payload: Uint8Array,
): number => {
  const length = UDP_BYTES + payload.length;
  const transport = buildNetwork(memory.bytes, at, ends, Protocol.udp, length);
  memory.bytes.set(payload, buildUdp(memory.bytes, transport, { ...ports, length }));
  return finishFrame(memory, at, ends, transport, length, Protocol.udp);
};

/**
 * Builds a TCP frame at `at`; returns its length. If the IP packet exceeds 64 KiB, its length field has only the low 16
 * bits of the length.
 */
export const buildTcpFrame = (memory: Memory, at: number, ends: Ends, header: Tcp, payload: Uint8Array): number => {
  const length = header.headerLength + payload.length;
  const transport = buildNetwork(memory.bytes, at, ends, Protocol.tcp, length);
  memory.bytes.set(payload, buildTcp(memory.bytes, transport, header));
  return finishFrame(memory, at, ends, transport, length, Protocol.tcp);
};

/** Builds an ICMP or ICMPv6 echo frame at `at`; returns its length. */
export const buildEchoFrame = (memory: Memory, at: number, ends: Ends, echo: Echo, data: Uint8Array): number => {
  const length = ICMP_BYTES + data.length;
  const v6 = echo.type === Icmpv6Type.echoRequest || echo.type === Icmpv6Type.echoReply;
  const protocol = v6 ? Protocol.icmpv6 : Protocol.icmp;
  const transport = buildNetwork(memory.bytes, at, ends, protocol, length);
  memory.bytes.set(data, buildEcho(memory.bytes, transport, echo));
  if (!v6) put16(memory.bytes, transport + ICMP_CHECKSUM, finish(sum(memory, transport, length)));
  return finishFrame(memory, at, ends, transport, length, protocol);
};

const finishFrame = (
  memory: Memory,
  at: number,
  ends: Ends,
  transport: number,
  length: number,
  protocol: number,
): number => {
  const network = networkAt(at, ends);
  const end = transport + length;
  fillIpv4Checksum(memory, network, end);
  if (protocol !== Protocol.icmp) fillTransportChecksum(memory, network, transport, end, protocol);
  return end - at;
};
