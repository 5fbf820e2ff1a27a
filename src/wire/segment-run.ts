/** Consecutive segments of one TCP flow that are merged into one frame. */
import { fold } from "./checksum.ts";
import { DONT_FRAGMENT, PSH, addressSum, pseudoTail, sum, swap16, type TcpView } from "./tcp-view.ts";

/**
 * Largest number of frames in a run. The longest IP packet has room for 45 full segments of 1,448 bytes, and a short
 * one.
 */
const MAX_SEGMENTS = 48;
/** Largest number of pieces: the headers of the first frame, and the payload of every frame. */
export const MAX_PIECES = MAX_SEGMENTS + 1;
const MAX_IP_BYTES = 0xffff;
const PIECE_WORDS = 2;
/**
 * Length in words of the longest headers (Ethernet with a tag, IPv6, TCP with all options), with half a word before and
 * after.
 */
const HEADER_WORDS = 31;
/** Offsets of half words in an IPv4 header: length, identification, fragment, checksum; in an IPv6 header: length. */
const IPV4_LENGTH = 1;
const IDENTIFICATION = 2;
const FRAGMENT = 3;
const IPV4_CHECKSUM = 5;
const IPV6_LENGTH = 2;
/** Offsets of half words in a TCP header. */
const SEQUENCE = 2;
const TCP_FLAGS = 6;
const TCP_CHECKSUM = 8;
// Local copies of imported constants, for speed: decision 8.
const PUSH = PSH;

/**
 * A run of segments. Invariants, while `segments` > 0: all have the same headers except length, identification,
 * sequence number, PSH and checksums; each starts in the stream where the previous one ends; all except the last have
 * `segmentBytes` of payload.
 */
export class SegmentRun {
  /**
   * Byte offset and length of each piece: the headers of the first frame, then the payload of each frame. Parts that
   * are adjacent in memory form one piece.
   */
  readonly pieces = new Int32Array(MAX_PIECES * PIECE_WORDS);
  pieceCount = 0;
  /** Number of frames; 0 if the run is not in use. */
  segments = 0;
  /** Offset, length and other parameters of the first frame, as they were passed to `begin`. */
  offset = 0;
  length = 0;
  /** Number of bytes in memory between the first frame's headers and its payload. */
  gap = 0;
  flags = 0;
  tag = 0;
  ipv6 = false;
  /** Length in bytes of the payload of each segment but the last. */
  segmentBytes = 0;
  /** Length of all headers in bytes. */
  headerBytes = 0;
  /** Length in bytes of the headers before the TCP header. */
  transportOffset = 0;
  /** Length of the payload of all segments in bytes. */
  payload = 0;
  /** No segment can follow, because the last one was short or had PSH. */
  complete = false;

  readonly #halves: Uint16Array;
  readonly #words: Int32Array;
  readonly #carry: boolean;
  /**
   * The first frame's headers as words; then, from `HEADER_WORDS` on, a mask of the bits that all segments have in
   * common.
   */
  readonly #common = new Int32Array(2 * HEADER_WORDS);
  readonly #commonHalves = new Uint16Array(this.#common.buffer);
  #commonWords = 0;
  /** Positions of the first frame and its headers, in half words of the memory. */
  #frame = 0;
  #network = 0;
  #transport = 0;
  #end = 0;
  /** Length in bytes of the headers that the IP length includes. */
  #ipHeaders = 0;
  /** Largest number of payload bytes that fit into an IP packet. */
  #room = 0;
  #nextSequence = 0;
  /** IPv4 identification of the first segment. */
  #identification = 0;
  /** IPv4 identification that is expected in the next segment. */
  #nextIdentification = 0;
  /** Sum of the IPv4 header without the fields that differ between segments. */
  #networkSum = 0;
  /** Sum of the TCP header and the pseudo header without the fields that differ between segments. */
  #transportSum = 0;
  /**
   * Sums of the checksums and of the fields that differ between segments: one sum for segments whose payload is at an
   * even offset in the merged payload, one for segments whose payload is at an odd offset.
   */
  #evenSum = 0;
  #oddSum = 0;
  #oddSegments = 0;

  constructor(view: TcpView, carry: boolean) {
    this.#words = view.words;
    this.#halves = view.halves;
    this.#carry = carry;
  }

  /**
   * Starts a run with the segment in `view`, which must be plain data without PSH and have a correct IPv4 checksum.
   * @param gap bytes in memory between its headers and its payload; 0 for a frame in one piece
   */
  begin(view: TcpView, length: number, flags: number, tag: number, gap: number): void {
    this.pieces[0] = view.offset;
    this.pieces[1] = view.headerBytes;
    this.pieceCount = 1;
    this.segments = 1;
    this.offset = view.offset;
    this.length = length;
    this.flags = flags;
    this.tag = tag;
    this.ipv6 = view.ipv6;
    this.segmentBytes = view.payload;
    this.headerBytes = view.headerBytes;
    this.transportOffset = (view.transport - view.frame) << 1;
    this.payload = view.payload;
    this.gap = gap;
    this.#addPiece(view.offset + view.headerBytes + gap, view.payload);
    this.complete = false;
    this.#frame = view.frame;
    this.#network = view.network;
    this.#transport = view.transport;
    this.#end = view.end;
    this.#ipHeaders = (view.end - (view.ipv6 ? view.transport : view.network)) << 1;
    this.#room = MAX_IP_BYTES - ((view.end - view.network) << 1);
    this.#nextSequence = (view.sequence() + view.payload) | 0;
    this.#identification = swap16(this.#halves[view.network + IDENTIFICATION]!);
    this.#nextIdentification = (this.#identification + 1) & 0xffff;
    this.#commonWords = 0;
    this.#sumCommonFields();
    this.#evenSum = this.#varyingSum(view.transport, view.payload);
    this.#oddSum = 0;
    this.#oddSegments = 0;
  }

  /** Whether the segment in `view` belongs to the flow of this run. */
  isFlowOf(view: TcpView, tag: number): boolean {
    const network = this.#network - this.#frame;
    const transport = this.#transport - this.#frame;
    if (view.network - view.frame !== network || view.transport - view.frame !== transport || tag !== this.tag)
      return false;
    // Ports are compared before addresses, because most flows differ in their ports.
    if (this.#differs(view, transport, transport + 2)) return false;
    return !this.#differs(view, transport - (this.ipv6 ? 16 : 4), transport);
  }

  /**
   * Adds the frame of `length` bytes at `offset`, if it is a segment that continues the run and has the same alignment
   * as the first one. Otherwise returns false without effect.
   * @param gap bytes in memory between the frame's headers and its payload; 0 for a frame in one piece
   */
  extend(offset: number, length: number, tag: number, gap: number): boolean {
    const payload = this.#payloadThatFits(offset, length);
    if (payload === 0 || tag !== this.tag) return false;
    const shift = ((offset >> 1) - this.#frame) | 0;
    const transport = (this.#transport + shift) | 0;
    if (!this.#isNext(transport)) return false;
    if (this.#commonWords === 0) this.#storeCommonHeaders();
    if (!this.#hasCommonHeaders(offset >> 2)) return false;
    if (!this.#continuesNetwork((this.#network + shift) | 0, payload)) return false;
    this.#append(offset, payload, transport, gap);
    return true;
  }

  /**
   * As `extend`, for a frame that is known to be the next segment of the last frame's super-frame. Most of the common
   * fields are then known to be equal, so only ports and flags are compared.
   */
  follow(offset: number, length: number, gap: number): boolean {
    const payload = this.#payloadThatFits(offset, length);
    if (payload === 0) return false;
    const halves = this.#halves;
    const first = this.#transport;
    const shift = ((offset >> 1) - this.#frame) | 0;
    const transport = (first + shift) | 0;
    const ports = (halves[transport]! ^ halves[first]!) | (halves[transport + 1]! ^ halves[first + 1]!);
    const flags = (halves[transport + TCP_FLAGS]! ^ halves[first + TCP_FLAGS]!) & ~PUSH;
    if ((ports | flags) !== 0 || !this.#isNext(transport)) return false;
    if (!this.#continuesNetwork((this.#network + shift) | 0, payload)) return false;
    this.#append(offset, payload, transport, gap);
    return true;
  }

  /** Turns the first frame's header into that of the merged frame. */
  seal(): void {
    const halves = this.#halves;
    const network = this.#network;
    const transport = this.#transport;
    const tcpBytes = ((this.#end - transport) << 1) + this.payload;
    if (this.ipv6) halves[network + IPV6_LENGTH] = swap16(tcpBytes);
    else {
      halves[network + IPV4_LENGTH] = swap16(tcpBytes + ((transport - network) << 1));
      halves[network + IPV4_CHECKSUM] = 0;
      halves[network + IPV4_CHECKSUM] = ~fold(sum(halves, network, transport));
    }
    const pseudo = addressSum(halves, transport, this.ipv6) + pseudoTail(tcpBytes);
    halves[transport + TCP_CHECKSUM] = 0;
    const carried = pseudo + sum(halves, transport, this.#end) + this.#impliedSum();
    halves[transport + TCP_CHECKSUM] = this.#carry ? ~fold(carried) : fold(pseudo);
  }

  /** Length of a frame's payload in bytes if the frame's length and alignment fit the run; otherwise 0. */
  #payloadThatFits(offset: number, length: number): number {
    const payload = (length - this.headerBytes) | 0;
    if (payload <= 0 || payload > this.segmentBytes || this.payload + payload > this.#room) return 0;
    if (((offset ^ this.offset) & 3) !== 0 || this.segments === MAX_SEGMENTS) return 0;
    return offset < 0 || offset + length > this.#halves.length << 1 ? 0 : payload;
  }

  /** Whether the TCP header at `transport` has the sequence number at which the run ends. */
  #isNext(transport: number): boolean {
    const high = swap16(this.#halves[transport + SEQUENCE]!);
    return ((high << 16) | swap16(this.#halves[transport + SEQUENCE + 1]!)) === this.#nextSequence;
  }

  #append(offset: number, payload: number, transport: number, gap: number): void {
    if (this.#carry) {
      const varying = this.#varyingSum(transport, payload);
      if ((this.payload & 1) === 0) this.#evenSum = (this.#evenSum + varying) | 0;
      else {
        this.#oddSum = (this.#oddSum + varying) | 0;
        this.#oddSegments++;
      }
    }
    this.#addPiece((offset + this.headerBytes + gap) | 0, payload);
    this.segments++;
    this.payload += payload;
    this.#nextSequence = (this.#nextSequence + payload) | 0;
    const pushed = this.#halves[transport + TCP_FLAGS]! & PUSH;
    if (pushed !== 0) this.#halves[this.#transport + TCP_FLAGS]! |= PUSH;
    this.complete = pushed !== 0 || payload < this.segmentBytes;
  }

  /** Adds payload: extends the last piece if the payload directly follows it in memory, otherwise adds a piece. */
  #addPiece(at: number, length: number): void {
    const pieces = this.pieces;
    const last = Math.imul(this.pieceCount - 1, PIECE_WORDS);
    if (at === pieces[last]! + pieces[last + 1]!) {
      pieces[last + 1] = pieces[last + 1]! + length;
      return;
    }
    pieces[last + PIECE_WORDS] = at;
    pieces[last + PIECE_WORDS + 1] = length;
    this.pieceCount++;
  }

  /**
   * Stores the fields that all segments have in common: Ethernet header, type of service, DF, TTL, addresses, ports,
   * acknowledgement number, window, options.
   */
  #storeCommonHeaders(): void {
    const network = this.#network;
    const transport = this.#transport;
    const first = this.#frame & ~1;
    const common = this.#common;
    this.#commonWords = (this.#end - first + 1) >> 1;
    for (let i = 0; i < this.#commonWords; i++) {
      common[i] = this.#words[(first >> 1) + i]!;
      common[HEADER_WORDS + i] = -1;
    }
    const mask = this.#commonHalves;
    const at = 2 * HEADER_WORDS - first;
    if (first !== this.#frame) mask[at + first] = 0;
    mask[at + this.#end] = 0;
    if (this.ipv6) mask[at + network + IPV6_LENGTH] = 0;
    else {
      mask[at + network + IPV4_LENGTH] = 0;
      mask[at + network + IDENTIFICATION] = 0;
      mask[at + network + IPV4_CHECKSUM] = 0;
    }
    mask[at + transport + SEQUENCE] = 0;
    mask[at + transport + SEQUENCE + 1] = 0;
    mask[at + transport + TCP_FLAGS] = ~PSH;
    mask[at + transport + TCP_CHECKSUM] = 0;
  }

  /** Sums the fields common to all segments. */
  #sumCommonFields(): void {
    const halves = this.#halves;
    const network = this.#network;
    const transport = this.#transport;
    if (!this.ipv6) {
      const varying = halves[network + IPV4_LENGTH]! + halves[network + IDENTIFICATION]!;
      this.#networkSum = sum(halves, network, transport) - varying - halves[network + IPV4_CHECKSUM]!;
    }
    const varying =
      halves[transport + SEQUENCE]! + halves[transport + SEQUENCE + 1]! + halves[transport + TCP_CHECKSUM]!;
    const addresses = addressSum(halves, transport, this.ipv6);
    this.#transportSum = addresses + pseudoTail(0) + sum(halves, transport, this.#end) - varying;
  }

  /** Whether the headers from word `at` on equal those of the first segment, except for the fields that may differ. */
  #hasCommonHeaders(at: number): boolean {
    const words = this.#words;
    const common = this.#common;
    const count = this.#commonWords;
    if (at + count > words.length) return false;
    let difference = 0;
    for (let i = 0; i < count; i = (i + 1) | 0)
      difference |= (words[(at + i) | 0]! ^ common[i]!) & common[(i + HEADER_WORDS) | 0]!;
    return difference === 0;
  }

  /**
   * Whether the IP length is that of the frame (a padded frame is longer) and, for IPv4, the checksum is correct and
   * the identification is the expected one.
   */
  #continuesNetwork(network: number, payload: number): boolean {
    const halves = this.#halves;
    if (this.ipv6) return swap16(halves[network + IPV6_LENGTH]!) === this.#ipHeaders + payload;
    const length = halves[network + IPV4_LENGTH]!;
    const identification = halves[network + IDENTIFICATION]!;
    if (swap16(length) !== this.#ipHeaders + payload) return false;
    if (fold(this.#networkSum + length + identification + halves[network + IPV4_CHECKSUM]!) !== 0xffff) return false;
    return this.#counts(swap16(identification));
  }

  /**
   * Whether the IPv4 identification is the expected one: it is incremented in each segment or, with DF (don't fragment)
   * set, constant.
   */
  #counts(identification: number): boolean {
    if (identification !== this.#nextIdentification) {
      const fixed = (this.#halves[this.#network + FRAGMENT]! & DONT_FRAGMENT) !== 0;
      if (this.segments > 1 || identification !== this.#identification || !fixed) return false;
    }
    this.#nextIdentification = (identification + (identification === this.#identification ? 0 : 1)) & 0xffff;
    return true;
  }

  /**
   * Sum of the fields that `#transportSum` excludes. It is below 2^19, so the sums of a whole run can be added without
   * folding.
   */
  #varyingSum(transport: number, payload: number): number {
    const halves = this.#halves;
    const sequence = (halves[transport + SEQUENCE]! + halves[transport + SEQUENCE + 1]!) | 0;
    const pushed = halves[transport + TCP_FLAGS]! & PUSH;
    const tcpBytes = (payload + ((this.#end - this.#transport) << 1)) | 0;
    return (sequence + halves[transport + TCP_CHECKSUM]! + pushed + swap16(tcpBytes)) | 0;
  }

  /**
   * Sum of the merged payload, computed from the segments' checksums: the sum of a segment's payload is the number with
   * which the total of the segment is 0 (modulo 0xffff). For a payload at an odd offset of the merged payload, the
   * sum's bytes are swapped (RFC 1071, section 2 (B)).
   */
  #impliedSum(): number {
    const even = fold(this.#evenSum + (this.segments - this.#oddSegments) * this.#transportSum);
    const odd = fold(this.#oddSum + this.#oddSegments * this.#transportSum);
    return (~even & 0xffff) + (~swap16(odd) & 0xffff);
  }

  /**
   * Whether the frame in `view` and the first frame differ in the half words `from` to `to` from the start of a frame.
   */
  #differs(view: TcpView, from: number, to: number): boolean {
    const halves = this.#halves;
    const other = view.frame - this.#frame;
    let difference = 0;
    for (let i = this.#frame + from; i < this.#frame + to; i++) difference |= halves[i]! ^ halves[i + other]!;
    return difference !== 0;
  }
}
