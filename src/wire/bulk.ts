/**
 * A checked stream over UDP, for where there is no network stack to carry one.
 *
 * A request carries a sequence number, payload for the other end (maybe none), and how many bytes it asks for in return.
 * The server takes payloads strictly in order, and answers every request with one datagram: what it asked for, and the
 * sequence number the server expects next. The bytes of the answer to request n are a fixed pattern made from n, so both
 * ends can hash what was sent and what arrived, and compare. A lost request or answer is cured by sending the request
 * again: a repeated one is answered the same and hashed no second time; one from beyond a gap gets an empty answer.
 *
 * How many requests are under way is the client's business, and so is going back to the number the server expects.
 *
 *     request  magic "FBLK" | sequence | bytes asked for | payload
 *     answer   magic "FBLk" | sequence | next expected   | pattern
 */
import { get32, put32 } from "./bigendian.ts";

export const BULK_PORT = 5017;
export const BULK_HEADER_BYTES = 12;
export const SEQUENCE = 4;
/** In a request. */
export const ASKED = 8;
/** In an answer. */
export const EXPECTED = 8;

const MAGIC = 0;
const REQUEST = 0x4642_4c4b;
const ANSWER = 0x4642_4c6b;

/** A running hash, such as `createHash("sha256")`. */
export interface Digest {
  update(bytes: Uint8Array): unknown;
}

/** Writes a request's header; its payload belongs where the returned offset says. */
export const buildBulkRequest = (bytes: Uint8Array, at: number, sequence: number, asked: number): number =>
  buildHeader(bytes, at, REQUEST, sequence, asked);

/** Whether an answer lies at `at`; its fields are at `SEQUENCE` and `EXPECTED`, the pattern behind `BULK_HEADER_BYTES`. */
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

/** The answering end. One stream at a time; `restart` begins the next. */
export class BulkServer {
  #digests: { readonly received: Digest; readonly sent: Digest } | undefined;
  #expected = 0;
  #bytesReceived = 0;
  #bytesSent = 0;
  #repeats = 0;
  #gaps = 0;

  /** Forgets the stream. The digests, where given, get every byte taken and every byte answered, once and in order. */
  restart(digests?: { readonly received: Digest; readonly sent: Digest }): void {
    this.#digests = digests;
    this.#expected = this.#bytesReceived = this.#bytesSent = this.#repeats = this.#gaps = 0;
  }

  /** What the stream came to so far. */
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
   * Answers the request of `length` bytes at `at`, in its place. Returns the answer's length, at most `room`, or 0 when
   * it is no request.
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
