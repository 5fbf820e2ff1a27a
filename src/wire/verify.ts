/** Verifies a frame's checksums, as the receive engine of a NIC does. */
import { intact, sum } from "./checksum.ts";
import {
  dissect,
  DISSECTION_WORDS,
  ETHER_TYPE,
  Layer,
  NETWORK,
  NETWORK_LENGTH,
  PAYLOAD,
  PAYLOAD_LENGTH,
} from "./dissect.ts";
import { PROTOCOL, TRANSPORT } from "./dissect.ts";
import { EtherType } from "./ethernet.ts";
import { Protocol } from "./ipv4.ts";
import type { Memory } from "./memory.ts";
import { pseudoHeaderSum } from "./pseudo-header.ts";
import { CHECKSUM as UDP_CHECKSUM } from "./udp.ts";

export const Verified = {
  /** The frame contains a complete IPv4 or IPv6 packet. */
  ip: 1 << 0,
  /** The packet is not a fragment and has a complete TCP header or UDP datagram. */
  tcp: 1 << 1,
  udp: 1 << 2,
  /** The header checksum is correct; always set for IPv6, which has none. */
  ipGood: 1 << 3,
  /** The TCP or UDP checksum is correct, or omitted, as IPv4 allows for UDP. */
  transportGood: 1 << 4,
  /** The packet is IPv6. */
  ipv6: 1 << 5,
} as const;

const scratch = new Int32Array(DISSECTION_WORDS);

/** Verifies the frame of `length` bytes at `frame`. Returns `Verified` bits; 0 if it is not IP. Does not allocate. */
export const verify = (memory: Memory, frame: number, length: number): number =>
  verifyDissected(memory, frame, dissect(memory.bytes, frame, length, scratch), scratch);

/** As `verify`, for a frame that `dissect` has parsed to `layer`. */
export const verifyDissected = (memory: Memory, frame: number, layer: number, parts: Int32Array): number => {
  if (layer < Layer.network) return 0;
  const network = frame + parts[NETWORK]!;
  const ipv4 = parts[ETHER_TYPE] === EtherType.ipv4;
  // Only IPv4 has a header checksum; IPv6 has nothing to verify here.
  const ipGood = !ipv4 || intact(sum(memory, network, parts[NETWORK_LENGTH]!));
  const found = Verified.ip | (ipv4 ? 0 : Verified.ipv6) | (ipGood ? Verified.ipGood : 0);
  const protocol = parts[PROTOCOL]!;
  if (layer < Layer.transport || (protocol !== Protocol.tcp && protocol !== Protocol.udp)) return found;
  const transport = frame + parts[TRANSPORT]!;
  const transportLength = parts[PAYLOAD]! + parts[PAYLOAD_LENGTH]! - parts[TRANSPORT]!;
  const udp = protocol === Protocol.udp;
  const good =
    udp && memory.bytes[transport + UDP_CHECKSUM] === 0 && memory.bytes[transport + UDP_CHECKSUM + 1] === 0
      ? ipv4
      : intact(pseudoHeaderSum(memory, network, protocol, transportLength) + sum(memory, transport, transportLength));
  return found | (udp ? Verified.udp : Verified.tcp) | (good ? Verified.transportGood : 0);
};
