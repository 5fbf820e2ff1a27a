/** Cuts a TCP super-frame into wire frames where it lies, for whoever consumes each before asking for the next. */
import { get16, get32, put16, put32 } from "./bigendian.ts";
import { finish, sum } from "./checksum.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";
import type { Memory } from "./memory.ts";
import { pseudoHeaderSum } from "./pseudo-header.ts";
import * as tcp from "./tcp.ts";

/** Longest headers taken: Ethernet, two tags, IPv6 with some extension headers, TCP with options. */
const HEADERS = 256;
const ONLY_LAST = tcp.TcpFlag.fin | tcp.TcpFlag.psh;
const ONLY_FIRST = tcp.TcpFlag.cwr;

/**
 * Each segment's headers are written in front of its payload, over the end of the payload before, so payload is never
 * copied. All checksums are filled in.
 */
export class InPlaceCutter {
  /** Byte offset and length of the present segment; the length is 0 when there is none (any more). */
  offset = 0;
  length = 0;
  readonly #memory: Memory;
  readonly #headers = new Uint8Array(HEADERS);
  #headerBytes = 0;
  /** Offsets in the frame. */
  #network = 0;
  #transport = 0;
  #ipv6 = false;
  #segmentBytes = 0;
  /** Segments before the present one, and payload from the present one on. */
  #index = 0;
  #rest = 0;
  /** Sums of what all segments have in common: pseudo header without length, IPv4 header without length, count and checksum. */
  #pseudo = 0;
  #ipHeader = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /**
   * Takes a frame and makes its first segment. The caller has dissected it: network and transport are offsets in it, the
   * TCP header is whole and ends `headerBytes` into it, payload up to its end follows. False when the headers are too long.
   */
  begin(
    frame: number,
    length: number,
    segmentBytes: number,
    network: number,
    transport: number,
    headerBytes: number,
  ): boolean {
    if (headerBytes > HEADERS || segmentBytes <= 0 || length <= headerBytes) return false;
    const bytes = this.#memory.bytes;
    const at = frame + network;
    this.#ipv6 = bytes[at]! >>> 4 === 6;
    this.#headerBytes = headerBytes;
    this.#network = network;
    this.#transport = transport;
    this.#segmentBytes = segmentBytes;
    this.#index = 0;
    this.#rest = length - headerBytes;
    this.#pseudo = pseudoHeaderSum(this.#memory, at, ipv4.Protocol.tcp, 0);
    if (!this.#ipv6) {
      put16(bytes, at + ipv4.CHECKSUM, 0);
      const varying = get16(bytes, at + ipv4.TOTAL_LENGTH) + get16(bytes, at + ipv4.IDENTIFICATION);
      this.#ipHeader = sum(this.#memory, at, transport - network) + 2 * 0xffff - varying;
    }
    for (let i = 0; i < headerBytes; i++) this.#headers[i] = bytes[frame + i]!;
    this.offset = frame;
    this.#make();
    return true;
  }

  /** Segments not yet consumed, with the present one. */
  get left(): number {
    return this.length === 0 ? 0 : Math.ceil(this.#rest / this.#segmentBytes);
  }

  /** The present segment has been consumed: makes the next one, or sets `length` to 0. */
  advance(): void {
    const payload = this.length - this.#headerBytes;
    this.#rest -= payload;
    if (this.#rest <= 0) {
      this.length = 0;
      return;
    }
    this.#index++;
    this.offset += payload;
    const bytes = this.#memory.bytes;
    for (let i = 0; i < this.#headerBytes; i++) bytes[this.offset + i] = this.#headers[i]!;
    this.#make();
  }

  /** Adapts the headers of the super-frame, which lie at `offset`, to the segment there. */
  #make(): void {
    const bytes = this.#memory.bytes;
    const payload = Math.min(this.#segmentBytes, this.#rest);
    this.length = this.#headerBytes + payload;
    const network = this.offset + this.#network;
    const transport = this.offset + this.#transport;
    const tcpBytes = this.length - this.#transport;
    if (this.#ipv6) put16(bytes, network + ipv6.PAYLOAD_LENGTH, this.length - this.#network - ipv6.IPV6_BYTES);
    else this.#adaptIpv4(network, this.length - this.#network);
    let flags = bytes[transport + tcp.FLAGS]!;
    if (payload < this.#rest) flags &= ~ONLY_LAST;
    if (this.#index > 0) flags &= ~ONLY_FIRST;
    bytes[transport + tcp.FLAGS] = flags;
    const sequence = get32(bytes, transport + tcp.SEQUENCE) + this.#index * this.#segmentBytes;
    put32(bytes, transport + tcp.SEQUENCE, sequence | 0);
    put16(bytes, transport + tcp.CHECKSUM, 0);
    put16(bytes, transport + tcp.CHECKSUM, finish(this.#pseudo + tcpBytes + sum(this.#memory, transport, tcpBytes)));
  }

  #adaptIpv4(at: number, length: number): void {
    const bytes = this.#memory.bytes;
    const identification = (get16(bytes, at + ipv4.IDENTIFICATION) + this.#index) & 0xffff;
    put16(bytes, at + ipv4.TOTAL_LENGTH, length);
    put16(bytes, at + ipv4.IDENTIFICATION, identification);
    put16(bytes, at + ipv4.CHECKSUM, finish(this.#ipHeader + length + identification));
  }
}
