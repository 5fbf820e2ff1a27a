/**
 * A second, simple implementation of TCP segmentation. Tests compare the segmentation of the model and of the far end
 * with it.
 */
import { get16, get32, put16, put32 } from "./bigendian.ts";
import { copyAndSum, finish, sum } from "./checksum.ts";
import { ETHERNET_BYTES } from "./ethernet.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";
import type { Memory } from "./memory.ts";
import { pseudoHeaderSum } from "./pseudo-header.ts";
import * as tcp from "./tcp.ts";

/** Memory in which segments are built, one frame at a time. It is like the kit's `Port`, with access to words. */
export interface SegmentPort extends Memory {
  /** Reserves space for a frame of `length` bytes. Returns its byte offset, or -1 if there is no space. */
  reserve(length: number): number;
  /** Call when the frame in the reserved space is complete. */
  commit(length: number): void;
}

/** Result of `segment` for a frame that is not a TCP packet with the given offsets. */
export const NOT_SEGMENTABLE = -1;

/** Only the first segment has CWR (RFC 3168 6.1.2), only the last FIN and PSH. */
const ONLY_FIRST = tcp.TcpFlag.cwr;
const ONLY_LAST = tcp.TcpFlag.fin | tcp.TcpFlag.psh;

/**
 * Segments the frame of `length` bytes at `frame` into frames with at most `segmentSize` bytes of TCP payload each,
 * builds them in `port`, and returns the number of committed frames. A frame for which `reserve` returns -1 is skipped.
 *
 * Lengths, IPv4 identification and checksum, sequence numbers, flags and TCP checksums are computed; the length and
 * checksum fields of the super-frame are ignored. `network` and `transport` are in bytes from the start of the frame.
 * `source` and `port` must not overlap.
 *
 * @returns `NOT_SEGMENTABLE`, without any change, when there is no TCP header at `transport`, when the packet is a
 * fragment, or when `segmentSize` is not positive
 */
export const segment = (
  source: Memory,
  frame: number,
  length: number,
  network: number,
  transport: number,
  segmentSize: number,
  port: SegmentPort,
): number => {
  const headers = segmentableHeaders(source.bytes, frame, length, network, transport);
  if (headers === 0 || segmentSize <= 0) return NOT_SEGMENTABLE;
  const isIpv4 = source.bytes[frame + network]! >>> 4 === 4;
  const ipSum = isIpv4 ? commonIpv4Sum(source, frame + network) : 0;
  const tcpSum = commonTcpSum(source, frame + network, frame + transport, headers - transport);
  const flags = source.bytes[frame + transport + tcp.FLAGS]!;
  const payload = length - headers;
  let committed = 0;
  let index = 0;
  let done = 0;
  do {
    const size = Math.min(segmentSize, payload - done);
    const at = port.reserve(headers + size);
    if (at >= 0) {
      copyAndSum(source, frame, port, at, headers);
      const dataSum = copyAndSum(source, frame + headers + done, port, at + headers, size);
      if (isIpv4) patchIpv4(port.bytes, at + network, index, headers - network + size, ipSum);
      else put16(port.bytes, at + network + ipv6.PAYLOAD_LENGTH, headers - network - ipv6.IPV6_BYTES + size);
      const without = (index === 0 ? 0 : ONLY_FIRST) | (done + size === payload ? 0 : ONLY_LAST);
      patchTcp(port.bytes, at + transport, done, flags & ~without, headers - transport + size + tcpSum + dataSum);
      port.commit(headers + size);
      committed++;
    }
    done += size;
    index++;
  } while (done < payload);
  return committed;
};

/** Number of bytes from the start of the frame to the end of its TCP header, or 0 if the frame cannot be segmented. */
const segmentableHeaders = (
  bytes: Uint8Array,
  frame: number,
  length: number,
  network: number,
  transport: number,
): number => {
  const at = frame + network;
  const tcpAt = frame + transport;
  const end = frame + length;
  if (network < ETHERNET_BYTES || transport < network + ipv4.IPV4_BYTES || tcpAt >= end) return 0;
  const fits =
    bytes[at]! >>> 4 === 4
      ? (bytes[at]! & 0xf) << 2 === transport - network &&
        bytes[at + ipv4.PROTOCOL] === ipv4.Protocol.tcp &&
        (get16(bytes, at + ipv4.FRAGMENT) & (ipv4.MORE_FRAGMENTS | ipv4.FRAGMENT_OFFSET)) === 0
      : bytes[at]! >>> 4 === 6 &&
        transport >= network + ipv6.IPV6_BYTES &&
        ipv6.skipExtensions(bytes, at + ipv6.IPV6_BYTES, end, bytes[at + ipv6.NEXT_HEADER]!) ===
          tcpAt * 256 + ipv4.Protocol.tcp;
  const header = fits ? tcp.tcpHeaderLength(bytes, tcpAt, end) : 0;
  return header === 0 ? 0 : transport + header;
};

/** Sum of the IPv4 header without total length, identification and checksum. */
const commonIpv4Sum = (memory: Memory, at: number): number =>
  sum(memory, at, 2) +
  sum(memory, at + ipv4.FRAGMENT, 4) +
  sum(memory, at + ipv4.SOURCE, ((memory.bytes[at]! & 0xf) << 2) - ipv4.SOURCE);

/** Sum of pseudo header and TCP header without length, sequence number, data offset, flags and checksum. */
const commonTcpSum = (memory: Memory, network: number, at: number, headerLength: number): number =>
  pseudoHeaderSum(memory, network, ipv4.Protocol.tcp, 0) +
  sum(memory, at, 4) +
  sum(memory, at + tcp.ACKNOWLEDGEMENT, 4) +
  sum(memory, at + tcp.WINDOW, 2) +
  sum(memory, at + tcp.URGENT, headerLength - tcp.URGENT);

const patchIpv4 = (bytes: Uint8Array, at: number, index: number, totalLength: number, commonSum: number): void => {
  const identification = (get16(bytes, at + ipv4.IDENTIFICATION) + index) & 0xffff;
  put16(bytes, at + ipv4.TOTAL_LENGTH, totalLength);
  put16(bytes, at + ipv4.IDENTIFICATION, identification);
  put16(bytes, at + ipv4.CHECKSUM, finish(commonSum + totalLength + identification));
};

/** @param sumBut sum of the segment and its pseudo header, except sequence number, data offset and flags */
const patchTcp = (bytes: Uint8Array, at: number, sent: number, flags: number, sumBut: number): void => {
  const sequence = (get32(bytes, at + tcp.SEQUENCE) + sent) | 0;
  const offsetAndFlags = (bytes[at + tcp.DATA_OFFSET]! << 8) | flags;
  put32(bytes, at + tcp.SEQUENCE, sequence);
  bytes[at + tcp.FLAGS] = flags;
  put16(bytes, at + tcp.CHECKSUM, finish(sumBut + (sequence >>> 16) + (sequence & 0xffff) + offsetAndFlags));
};
