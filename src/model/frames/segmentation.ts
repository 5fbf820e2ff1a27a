/** TCP segmentation of a super-frame in several buffers. The payload is summed while it is copied. */
import { get16, get32, put16, put32 } from "#wire/bigendian.ts";
import { finish, sum } from "#wire/checksum.ts";
import { networkOffset } from "#wire/ethernet.ts";
import * as ipv4 from "#wire/ipv4.ts";
import * as ipv6 from "#wire/ipv6.ts";
import { type Memory, newMemory } from "#wire/memory.ts";
import { pseudoHeaderSum } from "#wire/pseudo-header.ts";
import * as tcp from "#wire/tcp.ts";
import { buildTag, TAG, TAG_BYTES } from "#wire/vlan.ts";
import type { OffloadRequest } from "./offload.ts";
import type { ScatterList } from "./scatter.ts";

/** Maximum length of the headers: the transport offset has 7 bits, and a TCP header at most 60 bytes. */
const MAX_HEADER_BYTES = 0x7f + 60;
/** Flags that only the last segment has (RFC 9293). */
const LAST_ONLY = tcp.TcpFlag.fin | tcp.TcpFlag.psh;
/** Flags that only the first segment has (RFC 3168, 6.1.2). */
const FIRST_ONLY = tcp.TcpFlag.cwr;
const WORD_BYTES = 4;
// Local copies of imported constants, for speed: decision 8.
const { TOTAL_LENGTH, IDENTIFICATION, CHECKSUM: IPV4_CHECKSUM } = ipv4;
const { PAYLOAD_LENGTH: IPV6_LENGTH, IPV6_BYTES } = ipv6;
const { SEQUENCE, FLAGS, CHECKSUM: TCP_CHECKSUM } = tcp;

/**
 * A super-frame that is being segmented. `begin` starts with a super-frame; then `build` makes one segment at a time.
 * Lengths and checksums in the super-frame's headers are ignored, and computed for each segment. IPv4 identifications
 * count up from the super-frame's. The constant part of the headers is summed once. The headers are stored with the
 * same alignment as frames in the port's memory, so that they can be copied by words.
 */
export class Segmentation {
  /** The super-frame's headers from byte `#alignment` on, with room for a tag. */
  readonly #template: Memory = newMemory(MAX_HEADER_BYTES + TAG_BYTES + 2 * WORD_BYTES);
  /** Alignment of frames within a word. */
  #alignment = 0;
  #pieces: ScatterList | undefined;
  #ipv6 = false;
  #network = 0;
  #transport = 0;
  /** Number of bytes of headers in each segment, including an inserted tag. */
  #headerBytes = 0;
  /** Number of bytes of headers in the super-frame. */
  #payloadAt = 0;
  #payload = 0;
  #segmentBytes = 0;
  #identification = 0;
  #sequence = 0;
  #flags = 0;
  /** Sum of the IPv4 header without the fields that differ between segments. */
  #networkSum = 0;
  /** Sum of TCP header and pseudo header without the fields that differ between segments. */
  #transportSum = 0;
  /** Sum of the current segment's TCP header and pseudo header. */
  #headerSum = 0;
  /** Number of segments. */
  segments = 0;

  /**
   * Parses the headers. Returns false if the super-frame cannot be segmented: no segment size, another IP version than
   * requested, an IPv4 fragment, no TCP header at the requested offset, or no payload.
   */
  begin(request: OffloadRequest, pieces: ScatterList): boolean {
    const { bytes } = this.#template;
    const length = Math.min(pieces.length, MAX_HEADER_BYTES);
    this.#alignment = 0;
    pieces.copyOut(0, length, this.#template, 0);
    const network = networkOffset(bytes, 0, length);
    const transport =
      request.transport < 0 && network >= 0 ? network + ((bytes[network]! & 0xf) << 2) : request.transport;
    const shortest = request.ipv6 ? ipv6.IPV6_BYTES : ipv4.IPV4_BYTES;
    if (network < 0 || transport < network + shortest || request.segmentBytes === 0) return false;
    if (bytes[network]! >>> 4 !== (request.ipv6 ? 6 : 4)) return false;
    if (!request.ipv6 && !isTcpPacket(bytes, network, transport)) return false;
    const tcpBytes = tcp.tcpHeaderLength(bytes, transport, length);
    const payload = pieces.length - transport - tcpBytes;
    if (tcpBytes === 0 || payload <= 0) return false;
    this.#pieces = pieces;
    this.#ipv6 = request.ipv6;
    this.#payloadAt = transport + tcpBytes;
    this.#payload = payload;
    this.#segmentBytes = request.segmentBytes;
    this.segments = Math.ceil(payload / request.segmentBytes);
    const tagBytes = request.tag < 0 ? 0 : TAG_BYTES;
    if (tagBytes !== 0) {
      bytes.copyWithin(TAG + TAG_BYTES, TAG, this.#payloadAt);
      buildTag(bytes, TAG, request.tag);
    }
    this.#network = network + tagBytes;
    this.#transport = transport + tagBytes;
    this.#headerBytes = this.#payloadAt + tagBytes;
    this.#sumHeaders();
    return true;
  }

  /** Length in bytes of segment `n` on the wire. */
  length(n: number): number {
    return this.#headerBytes + Math.min(this.#segmentBytes, this.#payload - n * this.#segmentBytes);
  }

  /** Number of bytes of headers in front of each segment's payload. */
  get headerBytes(): number {
    return this.#headerBytes;
  }

  /** Offset in `memory` of the payload of all segments, if it is contiguous in that memory; otherwise -1. */
  payloadIn(memory: Memory): number {
    return this.#pieces!.placeIn(memory, this.#payloadAt, this.#payload);
  }

  /** Whether the last segment has more than `bytes` bytes of payload and, over IPv4, neither header has options. */
  isPlain(bytes: number): boolean {
    const options = this.#ipv6 ? 0 : this.#transport - this.#network - ipv4.IPV4_BYTES;
    const tcpOptions = this.#ipv6 ? 0 : this.#headerBytes - this.#transport - tcp.TCP_BYTES;
    return options === 0 && tcpOptions === 0 && this.length(this.segments - 1) - this.#headerBytes > bytes;
  }

  /** Builds segment `n` at `frame`. */
  build(n: number, to: Memory, frame: number): void {
    const start = Math.imul(n, this.#segmentBytes);
    const payload = Math.min(this.#segmentBytes, this.#payload - start);
    this.#buildHeaders(n, payload, to, frame);
    const payloadSum = this.#pieces!.copyOut(this.#payloadAt + start, payload, to, frame + this.#headerBytes);
    this.#finish(payloadSum, to, frame);
  }

  /** Builds the headers of segment `n` at `frame`, for `payload` bytes at `payloadAt` of the same memory. */
  buildHeaders(n: number, to: Memory, frame: number, payloadAt: number, payload: number): void {
    this.#buildHeaders(n, payload, to, frame);
    this.#finish(sum(to, payloadAt, payload), to, frame);
  }

  #buildHeaders(n: number, payload: number, to: Memory, frame: number): void {
    if ((frame & (WORD_BYTES - 1)) !== this.#alignment) this.#align(frame & (WORD_BYTES - 1));
    copyHeaders(this.#template, to, frame, this.#headerBytes);
    this.#networkHeader(n, payload, to.bytes, frame + this.#network);
    this.#headerSum = this.#transportHeader(n, payload, to.bytes, frame + this.#transport);
  }

  /** Completes the checksums. The headers have an even length, so the payload's sum need not be swapped. */
  #finish(payloadSum: number, to: Memory, frame: number): void {
    put16(to.bytes, frame + this.#transport + TCP_CHECKSUM, finish(this.#headerSum + payloadSum));
  }

  /** Reads the fields that differ between segments, and sums the others. */
  #sumHeaders(): void {
    const { bytes } = this.#template;
    const network = this.#network;
    const transport = this.#transport;
    if (!this.#ipv6) {
      this.#identification = get16(bytes, network + ipv4.IDENTIFICATION);
      put16(bytes, network + ipv4.TOTAL_LENGTH, 0);
      put16(bytes, network + ipv4.IDENTIFICATION, 0);
      put16(bytes, network + ipv4.CHECKSUM, 0);
      this.#networkSum = sum(this.#template, network, transport - network);
    }
    this.#sequence = get32(bytes, transport + tcp.SEQUENCE);
    this.#flags = bytes[transport + tcp.FLAGS]!;
    put32(bytes, transport + tcp.SEQUENCE, 0);
    bytes[transport + tcp.FLAGS] = 0;
    put16(bytes, transport + tcp.CHECKSUM, 0);
    const header = sum(this.#template, transport, this.#headerBytes - transport);
    this.#transportSum = pseudoHeaderSum(this.#template, network, ipv4.Protocol.tcp, 0) + header;
  }

  #align(alignment: number): void {
    this.#template.bytes.copyWithin(alignment, this.#alignment, this.#alignment + this.#headerBytes);
    this.#alignment = alignment;
  }

  #networkHeader(n: number, payload: number, bytes: Uint8Array, at: number): void {
    const packet = this.#headerBytes - this.#network + payload;
    if (this.#ipv6) {
      put16(bytes, at + IPV6_LENGTH, packet - IPV6_BYTES);
      return;
    }
    const identification = (this.#identification + n) & 0xffff;
    put16(bytes, at + TOTAL_LENGTH, packet);
    put16(bytes, at + IDENTIFICATION, identification);
    put16(bytes, at + IPV4_CHECKSUM, finish(this.#networkSum + packet + identification));
  }

  /** Writes the TCP header; returns the sum of header and pseudo header. */
  #transportHeader(n: number, payload: number, bytes: Uint8Array, at: number): number {
    const sequence = (this.#sequence + Math.imul(n, this.#segmentBytes)) | 0;
    let flags = this.#flags;
    if (n + 1 < this.segments) flags &= ~LAST_ONLY;
    if (n > 0) flags &= ~FIRST_ONLY;
    put32(bytes, at + SEQUENCE, sequence);
    bytes[at + FLAGS] = flags;
    const length = this.#headerBytes - this.#transport + payload;
    return this.#transportSum + length + (sequence >>> 16) + (sequence & 0xffff) + flags;
  }
}

/** Copies headers between two positions of the same alignment. */
const copyHeaders = (from: Memory, to: Memory, frame: number, length: number): void => {
  const base = frame & -WORD_BYTES;
  const end = (frame + length) | 0;
  const source = from.bytes;
  const target = to.bytes;
  let at = frame | 0;
  for (; (at & 3) !== 0; at = (at + 1) | 0) target[at] = source[(at - base) | 0]!;
  const words = to.words;
  const sourceWords = from.words;
  const last = end >> 2;
  let i = (at - base) >> 2;
  for (let w = at >> 2; w < last; w = (w + 1) | 0, i = (i + 1) | 0) words[w] = sourceWords[i]!;
  for (at = end & -WORD_BYTES; at < end; at = (at + 1) | 0) target[at] = source[(at - base) | 0]!;
};

/** Whether the IPv4 packet is not a fragment and its TCP header is at the requested offset. */
const isTcpPacket = (bytes: Uint8Array, at: number, transport: number): boolean =>
  at + ((bytes[at]! & 0xf) << 2) === transport &&
  bytes[at + ipv4.PROTOCOL] === ipv4.Protocol.tcp &&
  (get16(bytes, at + ipv4.FRAGMENT) & (ipv4.MORE_FRAGMENTS | ipv4.FRAGMENT_OFFSET)) === 0;
