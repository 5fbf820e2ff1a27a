/**
 * Finds the positions of the parts of a TCP segment, once per frame, for the coalescer.
 *
 * Frames are read as 16-bit half words of a little-endian machine. One's complement sums do not depend on byte order as
 * long as it is the same throughout (RFC 1071, section 2 (B)), so nothing is swapped before summing. Positions are in
 * half words from the start of the memory unless stated otherwise.
 */
import { fold } from "./checksum.ts";

/** EtherTypes in the byte order of a little-endian machine. */
const TYPE_IPV4 = 0x0008;
const TYPE_IPV6 = 0xdd86;
const TYPE_VLAN = 0x0081;

const ETHERNET_HALVES = 7;
const VLAN_HALVES = 2;
const IPV4_HALVES = 10;
const IPV6_HALVES = 20;
/** Length in bytes of Ethernet, IPv4 and TCP headers without options. */
const SHORTEST = 54;
const PROTOCOL_TCP = 6;

/** Byte 0 of an IPv4 header without options: version 4, and a header length of 5 words. */
const VERSION_5_WORDS = 0x45;
/** All bits of flags and fragment offset except "don't fragment". */
const FRAGMENT = 0xffbf;
export const DONT_FRAGMENT = 0x0040;

/** TCP flags, in the upper byte of the half word that starts with the data offset. */
export const ACK = 0x1000;
export const PSH = 0x0800;
const FLAGS = 0xff00;

/** Converts a 16-bit number between network and machine byte order. */
export const swap16 = (half: number): number => ((half & 0xff) << 8) | (half >>> 8);

/** The last frame examined. One object per coalescer, reused for each frame. */
export class TcpView {
  /** The memory of the frames, as half words and as words. */
  readonly halves: Uint16Array;
  readonly words: Int32Array;
  readonly #bytes: number;

  /** Byte offset of the frame. */
  offset = 0;
  ipv6 = false;
  /** Positions of the frame, the IP header and the TCP header. */
  frame = 0;
  network = 0;
  transport = 0;
  /** Position of the end of the TCP header including options. */
  end = 0;
  /** Length of all headers in bytes. */
  headerBytes = 0;
  /** Length of the payload in bytes. */
  payload = 0;
  /** The frame is longer than the IP packet (padding). */
  padded = false;

  /** @throws {RangeError} if `bytes` does not start on a 4-byte boundary of its buffer */
  constructor(bytes: Uint8Array) {
    this.halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 1);
    this.words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.#bytes = this.halves.length * 2;
  }

  /**
   * Examines a frame. Returns true if it contains TCP in an unfragmented IPv4 packet without options or in an IPv6
   * packet without extension headers, has at most one 802.1Q tag, and is at least as long as the IP header states.
   * Frames at odd offsets are rejected.
   */
  parse(offset: number, length: number): boolean {
    if (length < SHORTEST || (offset & 1) !== 0 || offset < 0 || offset + length > this.#bytes) return false;
    const halves = this.halves;
    const frame = offset >> 1;
    let network = frame + ETHERNET_HALVES;
    let type = halves[network - 1]!;
    if (type === TYPE_VLAN) {
      network += VLAN_HALVES;
      type = halves[network - 1]!;
    }
    const available = length - ((network - frame) << 1);
    let packet: number;
    if (type === TYPE_IPV4) {
      if ((halves[network]! & 0xff) !== VERSION_5_WORDS || (halves[network + 3]! & FRAGMENT) !== 0) return false;
      if (halves[network + 4]! >>> 8 !== PROTOCOL_TCP) return false;
      this.ipv6 = false;
      this.transport = network + IPV4_HALVES;
      packet = swap16(halves[network + 1]!);
    } else if (type === TYPE_IPV6) {
      if ((halves[network]! & 0xf0) !== 0x60 || (halves[network + 3]! & 0xff) !== PROTOCOL_TCP) return false;
      this.ipv6 = true;
      this.transport = network + IPV6_HALVES;
      packet = swap16(halves[network + 2]!) + IPV6_HALVES * 2;
    } else return false;
    const ipBytes = (this.transport - network) << 1;
    if (packet > available || packet < ipBytes + 20) return false;
    const tcpBytes = (halves[this.transport + 6]! & 0xf0) >>> 2;
    if (tcpBytes < 20 || ipBytes + tcpBytes > packet) return false;
    this.offset = offset;
    this.frame = frame;
    this.network = network;
    this.end = this.transport + (tcpBytes >> 1);
    this.headerBytes = (this.end - frame) << 1;
    this.payload = packet - ipBytes - tcpBytes;
    this.padded = packet !== available;
    return true;
  }

  /** Whether the frame has payload, no padding, and no flags besides ACK and PSH. */
  isPlainData(): boolean {
    return this.payload > 0 && !this.padded && (this.halves[this.transport + 6]! & FLAGS & ~PSH) === ACK;
  }

  /** Whether PSH is set. */
  isPushed(): boolean {
    return (this.halves[this.transport + 6]! & PSH) !== 0;
  }

  /** Whether the IPv4 header checksum is correct; always true for IPv6, which has none. */
  hasGoodIpChecksum(): boolean {
    return this.ipv6 || fold(sum(this.halves, this.network, this.transport)) === 0xffff;
  }

  /** The sequence number as a signed number. */
  sequence(): number {
    const at = this.transport + 2;
    return (swap16(this.halves[at]!) << 16) | swap16(this.halves[at + 1]!);
  }
}

/** Unfolded sum of the half words from `from` to before `to`, at most 2^15 of them. */
export const sum = (halves: Uint16Array, from: number, to: number): number => {
  let total = 0;
  for (let i = from; i < to; i++) total += halves[i]!;
  return total;
};

/**
 * Sum of the IP addresses, which precede the transport header: the first part of the pseudo header (RFC 9293, 3.1; RFC
 * 8200, 8.1).
 */
export const addressSum = (halves: Uint16Array, transport: number, ipv6: boolean): number =>
  sum(halves, transport - (ipv6 ? 16 : 4), transport);

/** The rest of the pseudo header: protocol TCP and the length of the segment in bytes, less than 65,536. */
export const pseudoTail = (tcpBytes: number): number => (PROTOCOL_TCP << 8) + swap16(tcpBytes);
