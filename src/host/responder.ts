/**
 * A far end without a network stack: replies to ARP, neighbour solicitations, ping, UDP echo and a checked bulk stream,
 * for use without a TAP.
 *
 * There is no neighbour table: each reply is built in place of its request and goes to the sender. Only requests with
 * correct checksums get a reply, so that a missing reply reveals an error in a NIC's transmit offloads.
 */
import type { Plug, Port } from "#kit/port.ts";
import { BULK_PORT, type BulkServer } from "#wire/bulk.ts";
import { MIN_FRAME } from "#wire/ethernet.ts";
import { linkLocal } from "#wire/ipv6.ts";
import { newMemory } from "#wire/memory.ts";
import { Answerer, type Identity } from "./answerer.ts";

export interface ResponderOptions {
  /** Default: 02:66:65:72:75:6c. */
  readonly mac?: Uint8Array;
  /** Default: 10.70.0.2. */
  readonly ipv4?: number;
  /** Default: the link-local address derived from the MAC address. */
  readonly ipv6?: Uint8Array;
  /** UDP ports on which datagrams are echoed. Default: 7 (RFC 862). */
  readonly echoPorts?: readonly number[];
  /** UDP port of the checked stream. Default `BULK_PORT`. */
  readonly bulkPort?: number;
  /** Maximum number of queued replies. Default 256. */
  readonly queue?: number;
  /**
   * Maximum length of a frame in bytes, without FCS: raised or lowered to 128 to 65,472, and rounded up to a multiple
   * of 64. Default 9,216.
   */
  readonly longestFrame?: number;
}

export const RESPONDER_MAC: Readonly<Uint8Array> = Uint8Array.of(0x02, 0x66, 0x65, 0x72, 0x75, 0x6c);
export const RESPONDER_IPV4 = 0x0a46_0002;

/**
 * The reply to a frame of the NIC is built in `commit`, queued, and delivered later, by `poll` or `flush`. While the
 * queue is full, frames are rejected (`reserve` returns -1).
 */
export class Responder implements Port {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly identity: Identity;
  /** Number of frames by result, and of their bytes. "Sent" and "received" are from the NIC's point of view. */
  readonly counts = {
    sentFrames: 0,
    sentBytes: 0,
    receivedFrames: 0,
    receivedBytes: 0,
    arp: 0,
    ping: 0,
    neighbour: 0,
    echo: 0,
    bulk: 0,
    ignored: 0,
    damaged: 0,
    /** Number of calls of `reserve` that returned -1, because the queue was full or the frame was too long. */
    refused: 0,
    /** Number of replies that the NIC did not accept. */
    dropped: 0,
  };
  readonly #answerer: Answerer;
  readonly #slots: number;
  readonly #slotBytes: number;
  /** Length of the reply in each slot. */
  readonly #lengths: Int32Array;
  #first = 0;
  #waiting = 0;
  #delivering = false;
  #nic: Plug | undefined;

  constructor(options: ResponderOptions = {}) {
    const mac = Uint8Array.from(options.mac ?? RESPONDER_MAC);
    this.identity = {
      mac,
      ipv4: options.ipv4 ?? RESPONDER_IPV4,
      ipv6: Uint8Array.from(options.ipv6 ?? linkLocal(mac)),
      echoPorts: options.echoPorts ?? [7],
      bulkPort: options.bulkPort ?? BULK_PORT,
    };
    this.#slots = options.queue ?? 256;
    this.#slotBytes = (Math.min(Math.max(options.longestFrame ?? 9216, 128), 65_472) + 63) & ~63;
    this.#lengths = new Int32Array(this.#slots);
    const memory = newMemory(this.#slots * this.#slotBytes);
    this.bytes = memory.bytes;
    this.words = memory.words;
    this.#answerer = new Answerer(memory, this.#slotBytes, this.identity, this.counts);
  }

  /** The stream of `wire/bulk.ts`. The responder's owner restarts the stream and reads its progress. */
  get bulk(): BulkServer {
    return this.#answerer.bulk;
  }

  plug(nic: Plug): void {
    this.#nic = nic;
  }

  reserve(length: number): number {
    if (this.#waiting < this.#slots && length <= this.#slotBytes) return this.#slotBytes * this.#next();
    this.counts.refused++;
    return -1;
  }

  commit(length: number): void {
    this.counts.sentFrames++;
    this.counts.sentBytes += length;
    const slot = this.#next();
    const frame = slot * this.#slotBytes;
    const answered = this.#answerer.answer(frame, length);
    if (answered === 0) return;
    const padded = Math.max(answered, MIN_FRAME);
    this.bytes.fill(0, frame + answered, frame + padded);
    this.#lengths[slot] = padded;
    this.#waiting++;
  }

  flush(): void {
    this.poll();
  }

  /**
   * Delivers queued replies; returns their number. Replies to frames that the NIC sends meanwhile follow in the next
   * call.
   */
  poll(): number {
    const nic = this.#nic;
    if (nic === undefined || this.#delivering) return 0;
    const count = this.#waiting;
    this.#delivering = true;
    try {
      for (let i = 0; i < count; i++) {
        const slot = this.#first;
        const length = this.#lengths[slot]!;
        if (nic.receive(this.bytes, slot * this.#slotBytes, length)) {
          this.counts.receivedFrames++;
          this.counts.receivedBytes += length;
        } else this.counts.dropped++;
        // The slot is freed only after `receive` has returned, because until then the NIC may read the frame.
        this.#first = (slot + 1) % this.#slots;
        this.#waiting--;
      }
    } finally {
      this.#delivering = false;
    }
    return count;
  }

  #next(): number {
    return (this.#first + this.#waiting) % this.#slots;
  }
}
