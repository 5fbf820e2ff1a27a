/** Finds the length that a short frame had before it was padded. */
import { ARP_BYTES } from "./arp.ts";
import { get16 } from "./bigendian.ts";
import { ETHERNET_BYTES, EtherType, MIN_FRAME, TYPE } from "./ethernet.ts";
import { IPV6_BYTES } from "./ipv6.ts";

const IPV4_TOTAL = ETHERNET_BYTES + 2;
const IPV6_PAYLOAD = ETHERNET_BYTES + 4;

/**
 * Length of the frame at `at` without padding. Only frames of minimum length can have padding. If the packet's header
 * does not state a length, `length` is returned.
 */
export const withoutPadding = (bytes: Uint8Array, at: number, length: number): number => {
  if (length !== MIN_FRAME) return length;
  const packetLength = packetBytes(bytes, at);
  return packetLength > 0 && ETHERNET_BYTES + packetLength < length ? ETHERNET_BYTES + packetLength : length;
};

const packetBytes = (bytes: Uint8Array, at: number): number => {
  switch (get16(bytes, at + TYPE)) {
    case EtherType.ipv4:
      return get16(bytes, at + IPV4_TOTAL);
    case EtherType.ipv6:
      return IPV6_BYTES + get16(bytes, at + IPV6_PAYLOAD);
    case EtherType.arp:
      return ARP_BYTES;
    default:
      return 0;
  }
};
