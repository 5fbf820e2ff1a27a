/** The pseudo header that TCP, UDP and ICMPv6 checksums include (RFC 9293 3.1, RFC 8200 8.1). */
import { sum } from "./checksum.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";
import type { Memory } from "./memory.ts";

/**
 * Unfolded sum of the pseudo header, for the IPv4 or IPv6 header at `at` and `length` bytes of transport header and
 * payload. With a `length` of 0 it is the part that segments of all lengths have in common.
 */
export const pseudoHeaderSum = (memory: Memory, at: number, protocol: number, length: number): number => {
  const addresses =
    memory.bytes[at]! >>> 4 === 6
      ? sum(memory, at + ipv6.SOURCE, 2 * ipv6.ADDRESS_BYTES)
      : sum(memory, at + ipv4.SOURCE, 8);
  return addresses + protocol + length;
};
