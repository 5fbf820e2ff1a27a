/**
 * A capture file as the far end of the cable: its frames are delivered at the recorded times or at a given rate, and
 * frames from the NIC are discarded.
 */
import { Misuse, OutOfRange } from "#kit/errors.ts";
import type { FrameMemory } from "#kit/link.ts";
import type { Plug, Port } from "#kit/port.ts";
import { MAX_FRAME, type Replay } from "./replay.ts";
import { Delivery } from "./wire-delivery.ts";
import type { FrameObserver } from "./frame-observer.ts";

/**
 * Interval in microseconds at which `pump` checks whether the NIC has room for the first frame: a NIC does not report
 * that its receiver was enabled.
 */
const POLL_MICROS = 1000;

export interface ReplayWireOptions {
  readonly replay: Replay;
  readonly clock: { now(): number };
  /** Frames per second; `Infinity` for as fast as the NIC accepts them. Default: the times in the file. */
  readonly rate?: number | undefined;
  /** Whether replay starts again after the last frame. */
  readonly loop?: boolean;
  readonly capture?: FrameObserver | undefined;
}

/** Replay starts anew for each NIC that is connected, when the NIC first has room for a frame. */
export class ReplayWire implements Port {
  readonly bytes: Uint8Array;
  readonly memory: FrameMemory;
  readonly delivery: Delivery;
  readonly #options: ReplayWireOptions;
  readonly #replay: Replay;
  readonly #gap: number;
  /** The time at which the first frame of this round was delivered or due; NaN before that. */
  #start = Number.NaN;
  #next = 0;
  #waits = false;
  #reserved = false;

  /** @throws {OutOfRange} if `rate` is not a positive number */
  constructor(options: ReplayWireOptions) {
    const { replay, rate } = options;
    if (rate !== undefined && !(rate > 0)) throw new OutOfRange(`a rate of ${rate} frames a second is not possible`);
    this.memory = replay.memory;
    this.bytes = replay.memory.bytes;
    this.delivery = new Delivery(options.capture);
    this.#options = options;
    this.#replay = replay;
    this.#gap = rate === undefined ? Number.NaN : 1e6 / rate;
  }

  /** True while a frame is due and waits for the NIC. */
  get pending(): boolean {
    return this.#waits;
  }

  /** True if all frames were delivered or dropped. */
  get done(): boolean {
    return this.#next >= this.#replay.times.length;
  }

  /**
   * The time at which to call `pump` again: when the next frame is due, or after `POLL_MICROS` if the first frame was
   * not delivered yet; `Infinity` after the last frame.
   */
  get due(): number {
    if (this.done) return Infinity;
    return Number.isNaN(this.#start) ? this.#options.clock.now() + POLL_MICROS : this.#start + this.#at(this.#next);
  }

  plug(nic: Plug): void {
    this.delivery.plug(nic);
    this.#start = Number.NaN;
    this.#next = 0;
    this.#waits = false;
  }

  reserve(length: number): number {
    this.#reserved = length > 0 && length <= MAX_FRAME;
    return this.#reserved ? 0 : -1;
  }

  commit(length: number): void {
    if (!this.#reserved || length <= 0 || length > MAX_FRAME)
      throw new Misuse(`a commit of ${length} bytes is not possible`);
    this.#reserved = false;
    this.delivery.sent(this.bytes, 0, length);
  }

  flush(): void {}

  /** Delivers up to `budget` due frames to the NIC. Returns the number of frames delivered or dropped. */
  pump(budget: number): number {
    const now = this.#options.clock.now();
    if (Number.isNaN(this.#start)) {
      if (!this.delivery.room) return 0;
      this.#start = now;
    }
    const { places } = this.#replay;
    let frames = 0;
    this.#waits = false;
    while (frames < budget && this.due <= now) {
      const i = 2 * this.#next;
      if (!this.delivery.offer(this.bytes, places[i]!, places[i + 1]!)) {
        this.#waits = true;
        break;
      }
      frames++;
      this.#advance();
    }
    return frames;
  }

  #advance(): void {
    this.#next++;
    if (!this.done || this.#options.loop !== true) return;
    // The next round starts after the interval given by `rate`; without a rate, at the time of this round's last frame.
    this.#start += this.#at(this.#next - 1) + (this.#gap > 0 ? this.#gap : 0);
    this.#next = 0;
  }

  /** When frame `i` of a round is due, in microseconds after the first one. */
  #at(i: number): number {
    return Number.isNaN(this.#gap) ? this.#replay.times[i]! : i * this.#gap;
  }
}
