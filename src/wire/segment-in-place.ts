/** Segments a TCP super-frame in place, for a caller that consumes each segment before it requests the next. */
import { get16, get32 } from "./bigendian.ts";
import { finish, fold, sum } from "./checksum.ts";
import * as ipv4 from "./ipv4.ts";
import * as ipv6 from "./ipv6.ts";
import { type Memory, newMemory } from "./memory.ts";
import { pseudoHeaderSum } from "./pseudo-header.ts";
import * as tcp from "./tcp.ts";

/** Largest supported length in bytes of all headers, such as Ethernet, two tags, IPv6 with extension headers, TCP. */
const HEADERS = 256;
/**
 * Offset of the headers in `#headers`: two bytes before a multiple of 4, so that all headers after Ethernet's are
 * aligned.
 */
const START = 2;
/**
 * Flags that only the last segment has, and flags that only the first segment has, at their positions in the word of
 * data offset, flags and window, in memory order.
 */
const ONLY_LAST = (tcp.TcpFlag.fin | tcp.TcpFlag.psh) << 8;
const ONLY_FIRST = tcp.TcpFlag.cwr << 8;
/** Word offsets in the network and TCP headers. */
const LENGTH_WORD = 0;
const IDENTIFICATION_WORD = ipv4.IDENTIFICATION >> 2;
const IP_CHECKSUM_WORD = ipv4.CHECKSUM >> 2;
const PAYLOAD_LENGTH_WORD = ipv6.PAYLOAD_LENGTH >> 2;
const SEQUENCE_WORD = tcp.SEQUENCE >> 2;
const FLAGS_WORD = tcp.DATA_OFFSET >> 2;
const TCP_CHECKSUM_WORD = tcp.CHECKSUM >> 2;
const IPV6_BYTES = ipv6.IPV6_BYTES;

const swap16 = (half: number): number => ((half & 0xff) << 8) | ((half >>> 8) & 0xff);
const swap32 = (word: number): number => (swap16(word) << 16) | swap16(word >>> 16);
const halves = (word: number): number => (word & 0xffff) + (word >>> 16);

/**
 * Payload is never copied: each segment's headers are written in front of its payload, over the end of the previous
 * payload. All checksums are filled in.
 *
 * `begin` and `advance` complete each segment. A caller that copies the payload itself, and so knows its sum, uses
 * `prepare`, `make` and `skip` instead.
 *
 * The constant part of the headers is kept as words and summed once. For each segment, a few words are updated, the
 * headers are copied, and the payload is summed.
 */
export class InPlaceSegmenter {
  /** Byte offset of the current segment. */
  offset = 0;
  /** Length of the current segment in bytes; 0 if there is none. */
  length = 0;
  /** Number of segments not yet consumed, including the current one. */
  left = 0;
  /** Length in bytes of the headers in front of each payload. */
  headerBytes = 0;
  /** Number of payload bytes not yet consumed. */
  rest = 0;
  readonly #memory: Memory;
  readonly #headers = newMemory(START + HEADERS + 2);
  /** Offsets of the headers in the frame. */
  #network = 0;
  #transport = 0;
  #ipv6 = false;
  #segmentBytes = 0;
  /** Fields of the current segment. */
  #identification = 0;
  #sequence = 0;
  /** The word that contains the flags; after the first segment, without the flags that only the first segment has. */
  #flags = 0;
  /** Partial sums of the constant part of the headers. */
  #ipHeader = 0;
  #tcp = 0;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** As `prepare`, and completes the first segment. */
  begin(
    frame: number,
    length: number,
    segmentBytes: number,
    network: number,
    transport: number,
    headerBytes: number,
  ): boolean {
    if (!this.prepare(frame, length, segmentBytes, network, transport, headerBytes)) return false;
    this.make(this.sum());
    return true;
  }

  /**
   * Starts with a frame that the caller has dissected: `network` and `transport` are offsets in it, the TCP header is
   * complete and ends at `headerBytes`, and the rest is payload. Returns false if the headers are longer than `HEADERS`
   * or not aligned as expected, or if there is no payload or segment size.
   */
  prepare(
    frame: number,
    length: number,
    segmentBytes: number,
    network: number,
    transport: number,
    headerBytes: number,
  ): boolean {
    if (headerBytes > HEADERS || segmentBytes <= 0 || length <= headerBytes) return false;
    // Ethernet headers have 14, 18 or 22 bytes; the length of every other header is a multiple of 4.
    if ((network & 3) !== START || ((transport - network) & 3) !== 0 || (headerBytes & 3) !== START) return false;
    const { bytes } = this.#memory;
    for (let i = 0; i < headerBytes; i++) this.#headers.bytes[START + i] = bytes[frame + i]!;
    this.headerBytes = headerBytes;
    this.#network = network;
    this.#transport = transport;
    this.#segmentBytes = segmentBytes;
    this.rest = length - headerBytes;
    this.left = Math.ceil(this.rest / segmentBytes);
    this.#takeNetwork();
    this.#takeTcp();
    this.offset = frame;
    this.#measure();
    return true;
  }

  /** Call when the current segment was consumed. Completes the next one, or sets `length` to 0. */
  advance(): void {
    this.skip();
    if (this.left > 0) this.make(this.sum());
  }

  /**
   * Call when the current segment was consumed. Goes on to the next segment without completing it, or sets `length` to
   * 0.
   */
  skip(): void {
    this.left--;
    if (this.left <= 0) {
      this.left = 0;
      this.length = 0;
      this.rest = 0;
      return;
    }
    this.rest -= this.#segmentBytes;
    this.offset += this.#segmentBytes;
    this.#identification = (this.#identification + 1) & 0xffff;
    this.#sequence = (this.#sequence + this.#segmentBytes) | 0;
    this.#flags &= ~ONLY_FIRST;
    this.#measure();
  }

  /** Partial sum of the current segment's payload. */
  sum(): number {
    return sum(this.#memory, (this.offset + this.headerBytes) | 0, (this.length - this.headerBytes) | 0);
  }

  #takeNetwork(): void {
    const { bytes, words } = this.#headers;
    const at = START + this.#network;
    this.#ipv6 = bytes[at]! >>> 4 === 6;
    if (this.#ipv6) return;
    const word = at >> 2;
    this.#identification = get16(bytes, at + ipv4.IDENTIFICATION);
    words[word + LENGTH_WORD]! &= 0xffff;
    words[word + IDENTIFICATION_WORD]! &= ~0xffff;
    words[word + IP_CHECKSUM_WORD]! &= 0xffff;
    this.#ipHeader = sum(this.#headers, at, this.#transport - this.#network);
  }

  #takeTcp(): void {
    const { bytes, words } = this.#headers;
    const at = START + this.#transport;
    const word = at >> 2;
    this.#sequence = get32(bytes, at + tcp.SEQUENCE) | 0;
    this.#flags = words[word + FLAGS_WORD]!;
    words[word + SEQUENCE_WORD] = 0;
    words[word + FLAGS_WORD] = 0;
    words[word + TCP_CHECKSUM_WORD]! &= ~0xffff;
    const pseudo = pseudoHeaderSum(this.#headers, START + this.#network, ipv4.Protocol.tcp, 0);
    this.#tcp = fold(pseudo + sum(this.#headers, at, this.headerBytes - this.#transport));
  }

  #measure(): void {
    const last = this.rest <= this.#segmentBytes;
    this.length = (this.headerBytes + (last ? this.rest : this.#segmentBytes)) | 0;
  }

  /**
   * Writes the headers of the current segment at `offset`.
   * @param data partial sum of the segment's payload
   */
  make(data: number): void {
    const last = this.rest <= this.#segmentBytes;
    this.#adaptNetwork((this.length - this.#network) | 0);
    const { words } = this.#headers;
    const word = (START + this.#transport) >> 2;
    const flags = last ? this.#flags : this.#flags & ~ONLY_LAST;
    const sequence = this.#sequence;
    const bytes = this.length - this.#transport;
    const checksum = finish(this.#tcp + bytes + halves(sequence) + swap16(fold(halves(flags))) + data);
    words[(word + SEQUENCE_WORD) | 0] = swap32(sequence);
    words[(word + FLAGS_WORD) | 0] = flags;
    const shared = words[(word + TCP_CHECKSUM_WORD) | 0]! & ~0xffff;
    words[(word + TCP_CHECKSUM_WORD) | 0] = shared | swap16(checksum);
    this.#copyHeaders();
  }

  /** @param bytes length of the segment's IP packet */
  #adaptNetwork(bytes: number): void {
    const { words } = this.#headers;
    const word = (START + this.#network) >> 2;
    if (this.#ipv6) {
      const shared = words[(word + PAYLOAD_LENGTH_WORD) | 0]! & ~0xffff;
      words[(word + PAYLOAD_LENGTH_WORD) | 0] = shared | swap16(bytes - IPV6_BYTES);
      return;
    }
    const identification = this.#identification;
    const checksum = finish(this.#ipHeader + bytes + identification);
    const first = words[word]! & 0xffff;
    words[word] = first | (swap16(bytes) << 16);
    const second = words[(word + IDENTIFICATION_WORD) | 0]! & ~0xffff;
    words[(word + IDENTIFICATION_WORD) | 0] = second | swap16(identification);
    const third = words[(word + IP_CHECKSUM_WORD) | 0]! & 0xffff;
    words[(word + IP_CHECKSUM_WORD) | 0] = third | (swap16(checksum) << 16);
  }

  #copyHeaders(): void {
    const to = this.#memory;
    const from = this.#headers;
    const { offset } = this;
    const end = (START + this.headerBytes) | 0;
    if ((offset & 3) !== START) {
      for (let i = START; i < end; i = (i + 1) | 0) to.bytes[(offset + i - START) | 0] = from.bytes[i]!;
      return;
    }
    // The first two bytes are written singly, because the other half of their word belongs to other data.
    to.bytes[offset] = from.bytes[START]!;
    to.bytes[(offset + 1) | 0] = from.bytes[START + 1]!;
    const source = from.words;
    const target = to.words;
    const delta = offset >> 2;
    for (let i = 1, n = end >> 2; i < n; i = (i + 1) | 0) target[(delta + i) | 0] = source[i]!;
  }
}
