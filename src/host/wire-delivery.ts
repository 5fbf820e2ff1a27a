/**
 * The part of a far end that delivers frames to the NIC: it counts frames, and retries a limited number of times while
 * the NIC has no room.
 */
import type { Plug } from "#kit/port.ts";
import type { FrameObserver } from "./frame-observer.ts";

/**
 * Number of calls of `offer` in which a NIC without room lets a frame wait; then frames are dropped until it has room.
 */
const MAX_TRIES = 10_000;

/** Number of frames and bytes that the NIC sent and accepted, and number of lost frames by reason. */
export interface WireCounts {
  sentFrames: number;
  sentBytes: number;
  receivedFrames: number;
  receivedBytes: number;
  /** Number of frames that the NIC dropped, for example because its receiver is off or they are not addressed to it. */
  unwanted: number;
  /**
   * Number of frames from the NIC that were dropped: no peer is connected, the peer does not read, or the frame is too
   * long for the socket.
   */
  unsent: number;
  /** Number of frames dropped because the NIC had no room for too long, or no NIC was connected. */
  missed: number;
  /** Number of invalid frames: too short or too long. */
  malformed: number;
}

export class Delivery {
  readonly counts: WireCounts = {
    sentFrames: 0,
    sentBytes: 0,
    receivedFrames: 0,
    receivedBytes: 0,
    unwanted: 0,
    unsent: 0,
    missed: 0,
    malformed: 0,
  };
  readonly #capture: FrameObserver | undefined;
  #nic: Plug | undefined;
  #tries = 0;

  constructor(capture: FrameObserver | undefined) {
    this.#capture = capture;
  }

  plug(nic: Plug): void {
    this.#nic = nic;
    this.#tries = 0;
  }

  /** True if a NIC is connected and would accept a frame now. */
  get room(): boolean {
    return this.#nic !== undefined && this.#nic.hasRoom?.() !== false;
  }

  /** Offers the NIC a received frame. Returns false if it must be offered again. */
  offer(bytes: Uint8Array, offset: number, length: number): boolean {
    const nic = this.#nic;
    if (nic === undefined || !this.room) {
      if (nic !== undefined && ++this.#tries <= MAX_TRIES) return false;
      this.counts.missed++;
      return true;
    }
    this.#tries = 0;
    this.#capture?.frame(bytes, offset, length, false);
    if (nic.receive(bytes, offset, length)) {
      this.counts.receivedFrames++;
      this.counts.receivedBytes += length;
    } else this.counts.unwanted++;
    return true;
  }

  /** Counts and captures a frame that the NIC has sent. */
  sent(bytes: Uint8Array, offset: number, length: number): void {
    this.counts.sentFrames++;
    this.counts.sentBytes += length;
    this.#capture?.frame(bytes, offset, length, true);
  }

  /** Returns the counts so far, and the number of lost frames as `drops`. */
  traffic(): WireCounts & { drops: number } {
    return { ...this.counts, drops: this.drops };
  }

  /** Number of frames lost: `unsent`, `missed` and `malformed` together. */
  get drops(): number {
    return this.counts.unsent + this.counts.missed + this.counts.malformed;
  }
}
