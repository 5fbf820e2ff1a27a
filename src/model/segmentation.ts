/** TCP segmentation: one super-frame in pieces, cut into frames of the wire. Sums are made while the payload is copied. */
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

/** Longest headers: the transport offset has 7 bits, a TCP header at most 60 bytes. */
const LONGEST_HEADERS = 0x7f + 60;
/** Only the last segment carries these, and only the first that (RFC 9293; RFC 3168, 6.1.2). */
const LAST_ONLY = tcp.TcpFlag.fin | tcp.TcpFlag.psh;
const FIRST_ONLY = tcp.TcpFlag.cwr;

/**
 * A super-frame being cut. Filled in anew by `begin` for each; then `build` makes segment after segment.
 *
 * Lengths, checksums and what the guest left in those fields do not matter: all are computed for each segment. IPv4
 * identifications count up from the super-frame's.
 */
export class Segmentation {
  /** The super-frame's headers, and before them room for a tag to be put in. */
  readonly #template: Memory = newMemory(LONGEST_HEADERS + TAG_BYTES + 3);
  #pieces: ScatterList | undefined;
  #ipv6 = false;
  #network = 0;
  #transport = 0;
  /** Bytes of all headers as they leave, with the tag; and as they are in the super-frame. */
  #headerBytes = 0;
  #payloadAt = 0;
  #payload = 0;
  #segmentBytes = 0;
  /** How many frames it makes. */
  segments = 0;

  /** Looks at the headers. False when they are not those of a TCP segment as the request says. */
  begin(request: OffloadRequest, pieces: ScatterList): boolean {
    const { bytes } = this.#template;
    const length = Math.min(pieces.length, LONGEST_HEADERS);
    pieces.copyOut(0, length, this.#template, 0);
    const network = networkOffset(bytes, 0, length);
    const transport = request.transport;
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
    return true;
  }

  /** Bytes of segment `n` on the wire. */
  length(n: number): number {
    return this.#headerBytes + Math.min(this.#segmentBytes, this.#payload - n * this.#segmentBytes);
  }

  /** Builds segment `n` at `frame`. */
  build(n: number, to: Memory, frame: number): void {
    const start = n * this.#segmentBytes;
    const bytes = Math.min(this.#segmentBytes, this.#payload - start);
    for (let i = 0; i < this.#headerBytes; i++) to.bytes[frame + i] = this.#template.bytes[i]!;
    const payloadSum = this.#pieces!.copyOut(this.#payloadAt + start, bytes, to, frame + this.#headerBytes);
    this.#networkHeader(n, bytes, to, frame + this.#network);
    this.#transportHeader(n, bytes, to, frame, payloadSum);
  }

  #networkHeader(n: number, payload: number, to: Memory, at: number): void {
    const { bytes } = to;
    const packet = this.#headerBytes - this.#network + payload;
    if (this.#ipv6) {
      put16(bytes, at + ipv6.PAYLOAD_LENGTH, packet - ipv6.IPV6_BYTES);
      return;
    }
    put16(bytes, at + ipv4.TOTAL_LENGTH, packet);
    put16(bytes, at + ipv4.IDENTIFICATION, get16(bytes, at + ipv4.IDENTIFICATION) + n);
    put16(bytes, at + ipv4.CHECKSUM, 0);
    put16(bytes, at + ipv4.CHECKSUM, finish(sum(to, at, this.#transport - this.#network)));
  }

  #transportHeader(n: number, payload: number, to: Memory, frame: number, payloadSum: number): void {
    const { bytes } = to;
    const at = frame + this.#transport;
    const headerBytes = this.#headerBytes - this.#transport;
    put32(bytes, at + tcp.SEQUENCE, get32(bytes, at + tcp.SEQUENCE) + n * this.#segmentBytes);
    if (n + 1 < this.segments) bytes[at + tcp.FLAGS]! &= ~LAST_ONLY;
    if (n > 0) bytes[at + tcp.FLAGS]! &= ~FIRST_ONLY;
    put16(bytes, at + tcp.CHECKSUM, 0);
    const pseudo = pseudoHeaderSum(to, frame + this.#network, ipv4.Protocol.tcp, headerBytes + payload);
    // The header's length is even, so the payload's sum is in place.
    put16(bytes, at + tcp.CHECKSUM, finish(pseudo + sum(to, at, headerBytes) + payloadSum));
  }
}

/** Whether the IPv4 packet is no fragment and its TCP header is where the request says. */
const isTcpPacket = (bytes: Uint8Array, at: number, transport: number): boolean =>
  at + ((bytes[at]! & 0xf) << 2) === transport &&
  bytes[at + ipv4.PROTOCOL] === ipv4.Protocol.tcp &&
  (get16(bytes, at + ipv4.FRAGMENT) & (ipv4.MORE_FRAGMENTS | ipv4.FRAGMENT_OFFSET)) === 0;
