/**
 * Fills in checksums, as the transmit engine of a NIC does. Each function returns false, without writing, if the frame
 * is not suitable.
 */
import { get16, put16 } from "./bigendian.ts";
import { finish, MAX_SUM_BYTES, sum } from "./checksum.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";
import type { Memory } from "./memory.ts";
import { pseudoHeaderSum } from "./pseudo-header.ts";
import * as tcp from "./tcp.ts";
import * as udp from "./udp.ts";

/** Fills in the header checksum of the IPv4 packet at `network`, in a frame that ends at `end` (offsets in memory). */
export const fillIpv4Checksum = (memory: Memory, network: number, end: number): boolean => {
  const bytes = memory.bytes;
  const length = ipv4.ipv4HeaderLength(bytes, network, end);
  if (length === 0) return false;
  const field = network + ipv4.CHECKSUM;
  put16(bytes, field, 0);
  put16(bytes, field, finish(sum(memory, network, length)));
  return true;
};

/**
 * Fills in the checksum of a TCP, UDP or ICMPv6 header at `transport`, of the IP packet at `network`, in a frame that
 * ends at `end` (offsets in memory). The field's old value is ignored: the pseudo header is summed here. The packet
 * length in the IP header determines the end of the sum, so padding is excluded.
 */
export const fillTransportChecksum = (
  memory: Memory,
  network: number,
  transport: number,
  end: number,
  protocol: number,
): boolean => {
  const bytes = memory.bytes;
  const packetEnd = endOfPacket(bytes, network, end);
  const field = transport + checksumField(protocol);
  if (field < transport || transport < network + ipv4.IPV4_BYTES || field + 2 > packetEnd) return false;
  const length = packetEnd - transport;
  put16(bytes, field, 0);
  const checksum = finish(pseudoHeaderSum(memory, network, protocol, length) + sum(memory, transport, length));
  // For UDP, a computed 0 is sent as 0xffff, because 0 means that there is no checksum (RFC 768).
  put16(bytes, field, checksum === 0 && protocol === ipv4.Protocol.udp ? 0xffff : checksum);
  return true;
};

/** Offset of UDP's checksum. */
const UDP_FIELD = 6;

/**
 * Completes the partial checksum of a frame from a network stack. The field at `field` contains the pseudo header's
 * sum; the bytes from `start` to `end` (offsets in memory) are added to it.
 */
export const completeChecksum = (memory: Memory, start: number, field: number, end: number): boolean => {
  if (field < start || field + 2 > end || end - start > MAX_SUM_BYTES) return false;
  const checksum = finish(sum(memory, start, end - start));
  // For UDP, a computed 0 is sent as 0xffff here, too. UDP is recognised by the offset of its checksum field, which is
  // 6.
  put16(memory.bytes, field, checksum === 0 && field - start === UDP_FIELD ? 0xffff : checksum);
  return true;
};

/** Offset of the end of the IP packet at `network` according to its header; -1 if the packet is not complete. */
const endOfPacket = (bytes: Uint8Array, network: number, end: number): number => {
  if (ipv4.ipv4HeaderLength(bytes, network, end) !== 0) return network + get16(bytes, network + ipv4.TOTAL_LENGTH);
  if (!ipv6.isIpv6(bytes, network, end)) return -1;
  return network + ipv6.IPV6_BYTES + get16(bytes, network + ipv6.PAYLOAD_LENGTH);
};

/** Offset of the checksum in a protocol's header; -1 for protocols whose checksum does not include a pseudo header. */
const checksumField = (protocol: number): number => {
  if (protocol === ipv4.Protocol.tcp) return tcp.CHECKSUM;
  if (protocol === ipv4.Protocol.udp) return udp.CHECKSUM;
  return protocol === ipv4.Protocol.icmpv6 ? 2 : -1;
};
