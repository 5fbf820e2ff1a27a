/** Turns requests into replies in place. The caller has already dissected and verified each request. */
import { ArpOperation, OPERATION, SENDER_IP, SENDER_MAC, TARGET_MAC } from "./arp.ts";
import { put16, put32 } from "./bigendian.ts";
import { finish, sum } from "./checksum.ts";
import { DESTINATION, SOURCE } from "./ethernet.ts";
import { fillTransportChecksum } from "./fill.ts";
import * as icmp from "./icmp.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";
import { MAC_BYTES } from "./mac.ts";
import { type Memory, same, swap } from "./memory.ts";
import * as udp from "./udp.ts";

const HOPS = 64;
/**
 * The hop limit of neighbour discovery messages. A receiver ignores a message with a lower hop limit, because a router
 * has forwarded it (RFC 4861 7.1).
 */
const NEIGHBOUR_HOPS = 255;
const ALL_NODES_MAC = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
const ALL_NODES = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const UNSPECIFIED = new Uint8Array(ipv6.ADDRESS_BYTES);
const ADVERTISEMENT_BYTES = icmp.NEIGHBOUR_BYTES + icmp.ADDRESS_OPTION_BYTES;

/** Sets the frame's destination to its source, and its source to `mac`. */
export const reverseEthernet = (bytes: Uint8Array, frame: number, mac: Uint8Array): void => {
  bytes.copyWithin(frame + DESTINATION, frame + SOURCE, frame + SOURCE + MAC_BYTES);
  bytes.set(mac, frame + SOURCE);
};

/** Turns the ARP request at `at` into a reply that says that the address `ip` belongs to `mac`. */
export const answerArp = (bytes: Uint8Array, at: number, mac: Uint8Array, ip: number): void => {
  put16(bytes, at + OPERATION, ArpOperation.reply);
  bytes.copyWithin(at + TARGET_MAC, at + SENDER_MAC, at + TARGET_MAC);
  bytes.set(mac, at + SENDER_MAC);
  put32(bytes, at + SENDER_IP, ip);
};

/**
 * Swaps the addresses of the IPv4 packet at `network`, and sets its time to live to 64. The header checksum must be
 * filled in afterwards.
 */
export const reverseIpv4 = (bytes: Uint8Array, network: number): void => {
  swap(bytes, network + ipv4.SOURCE, network + ipv4.DESTINATION, 4);
  bytes[network + ipv4.TIME_TO_LIVE] = HOPS;
};

/** Swaps the addresses of the IPv6 packet at `network`, and sets its hop limit to 64. */
export const reverseIpv6 = (bytes: Uint8Array, network: number): void => {
  swap(bytes, network + ipv6.SOURCE, network + ipv6.DESTINATION, ipv6.ADDRESS_BYTES);
  bytes[network + ipv6.HOP_LIMIT] = HOPS;
};

/** Turns the echo request of `length` bytes at `transport` into an echo reply. */
export const answerPing = (memory: Memory, transport: number, length: number): void => {
  const { bytes } = memory;
  bytes[transport + icmp.TYPE] = icmp.IcmpType.echoReply;
  put16(bytes, transport + icmp.CHECKSUM, 0);
  put16(bytes, transport + icmp.CHECKSUM, finish(sum(memory, transport, length)));
};

/**
 * As `answerPing`, for ICMPv6, whose checksum includes the addresses. It may be called before or after the addresses
 * are swapped.
 */
export const answerPing6 = (memory: Memory, network: number, transport: number, end: number): void => {
  memory.bytes[transport + icmp.TYPE] = icmp.Icmpv6Type.echoReply;
  fillTransportChecksum(memory, network, transport, end, ipv4.Protocol.icmpv6);
};

/**
 * Swaps the ports of a datagram. The checksum stays correct: it depends neither on the order of the ports nor on that
 * of the addresses.
 */
export const reverseUdp = (bytes: Uint8Array, transport: number): void =>
  swap(bytes, transport + udp.SOURCE_PORT, transport + udp.DESTINATION_PORT, 2);

/**
 * Turns the neighbour solicitation in the frame at `frame` (IPv6 header at `network`, without extension headers) into
 * an advertisement that says that `address` belongs to `mac`. The Ethernet header is changed, too. Returns the frame's
 * new length. The reply to a solicitation without a source address (duplicate address detection) goes to all nodes (RFC
 * 4861 7.2.4).
 */
export const answerSolicitation = (
  memory: Memory,
  frame: number,
  network: number,
  mac: Uint8Array,
  address: Uint8Array,
): number => {
  const { bytes } = memory;
  const anonymous = same(bytes, network + ipv6.SOURCE, UNSPECIFIED, ipv6.ADDRESS_BYTES);
  const at = network + ipv6.IPV6_BYTES;
  const end = at + ADVERTISEMENT_BYTES;
  reverseEthernet(bytes, frame, mac);
  if (anonymous) bytes.set(ALL_NODES_MAC, frame + DESTINATION);
  bytes.copyWithin(network + ipv6.DESTINATION, network + ipv6.SOURCE, network + ipv6.DESTINATION);
  if (anonymous) bytes.set(ALL_NODES, network + ipv6.DESTINATION);
  bytes.set(address, network + ipv6.SOURCE);
  bytes[network + ipv6.HOP_LIMIT] = NEIGHBOUR_HOPS;
  put16(bytes, network + ipv6.PAYLOAD_LENGTH, ADVERTISEMENT_BYTES);
  bytes[at + icmp.TYPE] = icmp.Icmpv6Type.neighbourAdvertisement;
  put32(bytes, at + icmp.NEIGHBOUR_FLAGS, 0);
  bytes[at + icmp.NEIGHBOUR_FLAGS] = icmp.NeighbourFlag.override | (anonymous ? 0 : icmp.NeighbourFlag.solicited);
  put16(bytes, at + icmp.NEIGHBOUR_OPTIONS, icmp.TARGET_ADDRESS_OPTION);
  bytes.set(mac, at + icmp.NEIGHBOUR_OPTIONS + 2);
  fillTransportChecksum(memory, network, at, end, ipv4.Protocol.icmpv6);
  return end - frame;
};
