/**
 * A stream over UDP whose contents both ends check by a hash, for tests without a network stack.
 *
 * A request has a sequence number, the number of bytes that it requests, and payload for the server, possibly empty.
 * The server accepts payloads strictly in order. It replies to each request with one datagram: the sequence number that
 * it expects next, and the requested bytes, which are a pattern derived from the request's sequence number. Both ends
 * hash what they have sent and received, and compare the hashes.
 *
 * If a request or reply is lost, the client repeats the request; a repeated request gets the same bytes again, and
 * neither its payload nor these bytes are hashed again. A request after a gap gets an empty reply. The client decides
 * how many requests are outstanding, and when to go back to the number that the server expects.
 *
 * Formats, in 32-bit words: request "FBLK", sequence, bytes requested, payload; reply "FBLk", sequence, next expected,
 * pattern.
 */
import { get32, put32 } from "./bigendian.ts";

export const BULK_PORT = 5017;
export const BULK_HEADER_BYTES = 12;
export const SEQUENCE = 4;
/** Offset of the number of requested bytes in a request. */
export const ASKED = 8;
/** Offset of the next expected sequence number in a reply. */
export const EXPECTED = 8;

const MAGIC = 0;
const REQUEST = 0x4642_4c4b;
const ANSWER = 0x4642_4c6b;

/** A hash that is updated piece by piece, such as `createHash("sha256")`. */
export interface Digest {
  update(bytes: Uint8Array): unknown;
}

/** Writes a request's header; returns the offset of its payload. */
export const buildBulkRequest = (bytes: Uint8Array, at: number, sequence: number, asked: number): number =>
  buildHeader(bytes, at, REQUEST, sequence, asked);

/**
 * Whether there is a reply at `at`; its fields are at `SEQUENCE` and `EXPECTED`, and the pattern follows after
 * `BULK_HEADER_BYTES`.
 */
export const isBulkAnswer = (bytes: Uint8Array, at: number, length: number): boolean =>
  length >= BULK_HEADER_BYTES && get32(bytes, at + MAGIC) === ANSWER;

/** Fills `length` bytes with the pattern of a sequence number. */
export const fillPattern = (bytes: Uint8Array, at: number, length: number, sequence: number): void => {
  let x = Math.imul(sequence + 1, 0x9e37_79b1) | 1;
  for (let i = 0; i < length; i++) {
    if ((i & 3) === 0) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
    }
    bytes[at + i] = x >>> ((i & 3) << 3);
  }
};

const buildHeader = (bytes: Uint8Array, at: number, magic: number, sequence: number, third: number): number => {
  put32(bytes, at + MAGIC, magic);
  put32(bytes, at + SEQUENCE, sequence);
  put32(bytes, at + ASKED, third);
  return at + BULK_HEADER_BYTES;
};

/** The server's end. It serves one stream at a time; `restart` begins the next. */
export class BulkServer {
  #digests: { readonly received: Digest; readonly sent: Digest } | undefined;
  #expected = 0;
  #bytesReceived = 0;
  #bytesSent = 0;
  #repeats = 0;
  #gaps = 0;

  /**
   * Starts a new stream. If digests are given, one is updated with the received bytes and one with the bytes sent in
   * replies; each byte is added once, in order, even if it is sent again.
   */
  restart(digests?: { readonly received: Digest; readonly sent: Digest }): void {
    this.#digests = digests;
    this.#expected = this.#bytesReceived = this.#bytesSent = this.#repeats = this.#gaps = 0;
  }

  /** Totals of the stream so far. */
  get progress(): { datagrams: number; bytesReceived: number; bytesSent: number; repeats: number; gaps: number } {
    return {
      datagrams: this.#expected,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      repeats: this.#repeats,
      gaps: this.#gaps,
    };
  }

  /**
   * Replies to the request of `length` bytes at `at`, in place. Returns the reply's length, at most `room`, or 0 if
   * there is no request at `at` or `room` is too small for a reply's header.
   */
  answer(bytes: Uint8Array, at: number, length: number, room: number): number {
    if (length < BULK_HEADER_BYTES || room < BULK_HEADER_BYTES || get32(bytes, at + MAGIC) !== REQUEST) return 0;
    const sequence = get32(bytes, at + SEQUENCE);
    const asked = Math.min(get32(bytes, at + ASKED), room - BULK_HEADER_BYTES);
    const data = at + BULK_HEADER_BYTES;
    const fresh = sequence === this.#expected;
    if (fresh) this.#take(bytes, data, length - BULK_HEADER_BYTES);
    else if (sequence < this.#expected) this.#repeats++;
    else this.#gaps++;
    const given = sequence < this.#expected ? asked : 0;
    fillPattern(bytes, data, given, sequence);
    if (fresh) this.#give(bytes, data, given);
    buildHeader(bytes, at, ANSWER, sequence, this.#expected);
    return BULK_HEADER_BYTES + given;
  }

  #take(bytes: Uint8Array, at: number, length: number): void {
    this.#expected++;
    this.#bytesReceived += length;
    if (length > 0) this.#digests?.received.update(bytes.subarray(at, at + length));
  }

  #give(bytes: Uint8Array, at: number, length: number): void {
    this.#bytesSent += length;
    if (length > 0) this.#digests?.sent.update(bytes.subarray(at, at + length));
  }
}
