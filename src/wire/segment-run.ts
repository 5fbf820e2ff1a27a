/** Consecutive segments of one TCP flow, on their way to become one frame. */
import { fold } from "./checksum.ts";
import { ACK, DONT_FRAGMENT, PSH, addressSum, pseudoTail, sum, swap16, type TcpView } from "./tcp-view.ts";

/** Most frames in a run: with 1,448 bytes of payload each, 46 fill the longest IP packet. */
export const MAX_PIECES = 48;
const MAX_IP_BYTES = 0xffff;
const PIECE_WORDS = 2;

/**
 * A run of segments.
 *
 * Invariants, while `segments` > 0: all have the same headers but for length, identification, sequence number, PSH and
 * checksums; each starts where the one before ends; all but the last have `segmentBytes` of payload.
 */
export class SegmentRun {
  /** Byte offset and length of each piece: the first frame whole, then the payloads of the others. */
  readonly pieces = new Int32Array(MAX_PIECES * PIECE_WORDS);
  /** How many pieces; 0 when the run is not in use. */
  segments = 0;
  /** Where the first frame is, as it was added. */
  offset = 0;
  length = 0;
  flags = 0;
  tag = 0;
  ipv6 = false;
  /** Payload of each segment but perhaps the last, in bytes. */
  segmentBytes = 0;
  /** Bytes of all headers, and before the TCP header. */
  headerBytes = 0;
  transportOffset = 0;
  /** Payload of all segments, in bytes. */
  payload = 0;

  readonly #halves: Uint16Array;
  readonly #carry: boolean;
  #frame = 0;
  #network = 0;
  #transport = 0;
  #end = 0;
  #nextSequence = 0;
  #nextIdentification = 0;
  /** Sum of the payloads as the checksums of the segments imply it. */
  #sum = 0;
  #complete = false;

  constructor(halves: Uint16Array, carry: boolean) {
    this.#halves = halves;
    this.#carry = carry;
  }

  /** Starts with the segment in view. */
  begin(view: TcpView, length: number, flags: number, tag: number): void {
    this.pieces[0] = view.offset;
    this.pieces[1] = view.headerBytes + view.payload;
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
    this.#frame = view.frame;
    this.#network = view.network;
    this.#transport = view.transport;
    this.#end = view.end;
    this.#nextSequence = (view.sequence() + view.payload) | 0;
    this.#sum = this.#carry ? view.impliedPayloadSum() : 0;
    this.#complete = false;
  }

  /** Whether the segment in view is of the same flow. */
  isFlowOf(view: TcpView, tag: number): boolean {
    const network = this.#network - this.#frame;
    const transport = this.#transport - this.#frame;
    if (view.network - view.frame !== network || view.transport - view.frame !== transport || tag !== this.tag)
      return false;
    // Ports first: that is where flows differ.
    if (this.#differs(view, transport, transport + 2)) return false;
    return !this.#differs(view, transport - (this.ipv6 ? 16 : 4), transport);
  }

  /** Whether the segment in view, plain data of this flow, continues the run. */
  accepts(view: TcpView): boolean {
    if (this.segments === MAX_PIECES || view.headerBytes !== this.headerBytes) return false;
    if (view.payload > this.segmentBytes || view.sequence() !== this.#nextSequence) return false;
    const ipBytes = ((this.#end - this.#network) << 1) + this.payload + view.payload;
    return ipBytes <= MAX_IP_BYTES && this.#hasSameHeaders(view) && (this.ipv6 || this.#continuesCount(view));
  }

  /** Adds the segment in view, which the run accepts. */
  append(view: TcpView): void {
    const at = this.segments * PIECE_WORDS;
    this.pieces[at] = view.offset + view.headerBytes;
    this.pieces[at + 1] = view.payload;
    if (this.#carry) {
      const implied = view.impliedPayloadSum();
      // A payload at an odd place of the whole is summed with its bytes exchanged (RFC 1071, section 2 (B)).
      this.#sum = fold(this.#sum + ((this.payload & 1) === 0 ? implied : swap16(implied)));
    }
    if (!this.ipv6) this.#count(view);
    this.segments++;
    this.payload += view.payload;
    this.#nextSequence = (this.#nextSequence + view.payload) | 0;
    if (view.isPushed()) this.#halves[this.#transport + 6]! |= PSH;
    this.#complete = view.isPushed() || view.payload < this.segmentBytes;
  }

  /** Whether nothing can follow: the last segment was short or pushed. */
  isComplete(): boolean {
    return this.#complete;
  }

  /** Turns the first frame's header into that of the whole. */
  seal(): void {
    const halves = this.#halves;
    const network = this.#network;
    const transport = this.#transport;
    const tcpBytes = ((this.#end - transport) << 1) + this.payload;
    if (this.ipv6) halves[network + 2] = swap16(tcpBytes);
    else {
      halves[network + 1] = swap16(tcpBytes + ((transport - network) << 1));
      halves[network + 5] = 0;
      halves[network + 5] = ~fold(sum(halves, network, transport));
    }
    const pseudo = addressSum(halves, transport, this.ipv6) + pseudoTail(tcpBytes);
    halves[transport + 8] = 0;
    halves[transport + 8] = this.#carry ? ~fold(pseudo + sum(halves, transport, this.#end) + this.#sum) : fold(pseudo);
  }

  /** Whether halves `from` up to `to`, counted from the frames' starts, differ. */
  #differs(view: TcpView, from: number, to: number): boolean {
    const halves = this.#halves;
    const other = view.frame - this.#frame;
    let difference = 0;
    for (let i = this.#frame + from; i < this.#frame + to; i++) difference |= halves[i]! ^ halves[i + other]!;
    return difference !== 0;
  }

  /** Everything that `append` does not join is equal: Ethernet, type of service, DF, TTL, ack, window, urgent, options. */
  #hasSameHeaders(view: TcpView): boolean {
    const network = this.#network - this.#frame;
    const transport = this.#transport - this.#frame;
    const end = this.#end - this.#frame;
    const first = this.#halves[this.#transport + 6]!;
    if (((first ^ this.#halves[view.transport + 6]!) & ~PSH) !== 0 || (first & ACK) === 0) return false;
    if (this.#differs(view, 0, network + (this.ipv6 ? 2 : 1))) return false;
    // Flags and fragment offset with TTL and protocol; for IPv6 next header and hop limit.
    if (this.#differs(view, network + 3, network + (this.ipv6 ? 4 : 5))) return false;
    if (this.#differs(view, transport + 4, transport + 6)) return false;
    return !this.#differs(view, transport + 7, transport + 8) && !this.#differs(view, transport + 9, end);
  }

  /** Whether the IPv4 identification goes on: one more each time, or, where fragments are forbidden, always the same. */
  #continuesCount(view: TcpView): boolean {
    const identification = view.identification();
    if (this.segments > 1) return identification === this.#nextIdentification;
    const first = swap16(this.#halves[this.#network + 2]!);
    if (identification === ((first + 1) & 0xffff)) return true;
    return identification === first && (this.#halves[this.#network + 3]! & DONT_FRAGMENT) !== 0;
  }

  #count(view: TcpView): void {
    const step = view.identification() === swap16(this.#halves[this.#network + 2]!) ? 0 : 1;
    this.#nextIdentification = (view.identification() + step) & 0xffff;
  }
}
