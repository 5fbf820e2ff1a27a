/**
 * `verifySummed` returns the same as `verify`, at lower cost, for a frame that was summed as a whole while it was
 * copied.
 *
 * In most frames the headers are aligned to words (the frame starts two bytes before a multiple of 4), IPv4 has no
 * options, IPv6 has no extension headers, and the packet ends where the frame ends. For such frames only a few words
 * must be read: the sum for the transport checksum is the sum of the frame minus the parts that belong neither to the
 * TCP or UDP segment nor to its pseudo header.
 *
 * Words and half words are in memory order.
 */
import { fold } from "./checksum.ts";
import type { Memory } from "./memory.ts";
import { Verified, verify } from "./verify.ts";

// Local copies of imported constants, for speed: decision 8.
const IPV4_TYPE = 0x0008;
const IPV6_TYPE = 0xdd86;
const IPV4_FIRST = 0x45;
/** Mask of the bits "more fragments" and the fragment offset. */
const FRAGMENT = 0xff3f << 16;
const TCP = 6;
const UDP = 17;
/** Offsets of the network header, without and with a tag. */
const NETWORK_AT = 14;
const TAGGED_NETWORK_AT = 18;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const TCP_HEADER = 20;
const UDP_HEADER = 8;
/** Added before a subtraction so that the result is positive. A multiple of 0xffff equals 0 in one's complement. */
const ENOUGH = 32 * 0xffff;
const IP = Verified.ip;
const IP_GOOD = Verified.ip | Verified.ipGood;
const IPV6_GOOD = Verified.ip | Verified.ipGood | Verified.ipv6;
const TCP_FOUND = Verified.tcp;
const TCP_GOOD = Verified.tcp | Verified.transportGood;
const UDP_FOUND = Verified.udp;
const UDP_GOOD = Verified.udp | Verified.transportGood;

const swap16 = (half: number): number => ((half & 0xff) << 8) | (half >>> 8);
const halves = (word: number): number => (word & 0xffff) + (word >>> 16);

/**
 * As `verify`, for a frame that was already summed. `total` is its partial sum: from the first byte on or, if the frame
 * has a tag (`tagged`), from the EtherType after the tag on.
 */
export const verifySummed = (memory: Memory, frame: number, length: number, tagged: boolean, total: number): number => {
  const packet = (length - (tagged ? TAGGED_NETWORK_AT : NETWORK_AT)) | 0;
  if ((frame & 3) !== 2 || packet < IPV4_HEADER + UDP_HEADER) return verify(memory, frame, length);
  const { words } = memory;
  const at = (frame + (tagged ? TAGGED_NETWORK_AT : NETWORK_AT)) >> 2;
  const type = words[(at - 1) | 0]! >>> 16;
  const before = tagged ? type : addresses(words, at);
  const found =
    type === IPV4_TYPE
      ? commonIpv4(words, at, packet, total, before)
      : type === IPV6_TYPE
        ? commonIpv6(words, at, packet, total, before)
        : 0;
  return found === 0 ? verify(memory, frame, length) : found;
};

/** Sum of the 14 bytes before word `at`. */
const addresses = (words: Int32Array, at: number): number =>
  (words[(at - 4) | 0]! >>> 16) +
  halves(words[(at - 3) | 0]!) +
  halves(words[(at - 2) | 0]!) +
  halves(words[(at - 1) | 0]!);

/**
 * As `verify`, for the packet of `packet` bytes (at least 28) at word `at`. Returns 0 if the packet does not have the
 * common form.
 */
const commonIpv4 = (words: Int32Array, at: number, packet: number, total: number, before: number): number => {
  const first = words[at]!;
  const second = words[(at + 1) | 0]!;
  const third = words[(at + 2) | 0]!;
  if ((first & 0xff) !== IPV4_FIRST || swap16(first >>> 16) !== packet || (second & FRAGMENT) !== 0) return 0;
  const varying = halves(first) + halves(second) + halves(third);
  const header = varying + halves(words[(at + 3) | 0]!) + halves(words[(at + 4) | 0]!);
  const ip = fold(header) === 0xffff ? IP_GOOD : IP;
  const protocol = (third >>> 8) & 0xff;
  const transport = commonTransport(words, at + 5, (packet - IPV4_HEADER) | 0, protocol, total, before + varying, true);
  return transport === 0 ? 0 : ip | transport;
};

const commonIpv6 = (words: Int32Array, at: number, packet: number, total: number, before: number): number => {
  if (packet < IPV6_HEADER + UDP_HEADER) return 0;
  const first = words[at]!;
  const second = words[(at + 1) | 0]!;
  if ((first & 0xf0) !== 0x60 || swap16(second & 0xffff) !== packet - IPV6_HEADER) return 0;
  const protocol = (second >>> 16) & 0xff;
  const others = before + halves(first) + halves(second);
  const transport = commonTransport(words, at + 10, (packet - IPV6_HEADER) | 0, protocol, total, others, false);
  return transport === 0 ? 0 : IPV6_GOOD | transport;
};

/**
 * @param bytes length of the TCP or UDP segment, at least 8
 * @param others the sum of the parts of `total` that belong neither to that segment nor to its pseudo header
 */
const commonTransport = (
  words: Int32Array,
  at: number,
  bytes: number,
  protocol: number,
  total: number,
  others: number,
  ipv4: boolean,
): number => {
  const good = fold(swap16(fold(total)) + swap16(bytes) + (protocol << 8) + ENOUGH - others) === 0xffff;
  if (protocol === TCP) {
    if (bytes < TCP_HEADER) return 0;
    const header = (words[(at + 3) | 0]! & 0xf0) >>> 2;
    if (header < TCP_HEADER || header > bytes) return 0;
    return good ? TCP_GOOD : TCP_FOUND;
  }
  if (protocol !== UDP) return 0;
  const second = words[(at + 1) | 0]!;
  if (swap16(second & 0xffff) !== bytes) return 0;
  // A checksum of 0 means that there is none, which only IPv4 allows.
  if (second >>> 16 === 0) return ipv4 ? UDP_GOOD : UDP_FOUND;
  return good ? UDP_GOOD : UDP_FOUND;
};
