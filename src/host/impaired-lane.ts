/**
 * One direction of an impaired cable. It selects frames at random, reproducibly from a seed, and holds delayed ones.
 */
import type { Timers } from "#kit/clock.ts";
import { Damage } from "#kit/port.ts";

/**
 * The impairments, in the order in which they are applied to a frame. `corrupt` changes a bit and makes the FCS match,
 * as a faulty switch does. `crc` makes the FCS wrong, as a bad cable does; a switch drops such a frame, and so does a
 * NIC unless it was set to accept frames with errors.
 */
export const IMPAIRMENTS = ["loss", "corrupt", "crc", "duplicate", "reorder", "delay"] as const;
export type ImpairmentName = (typeof IMPAIRMENTS)[number];

/** Directions as seen from the NIC: frames that the NIC sends go `out`. */
export const DIRECTIONS = ["out", "in"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** To which frames an impairment applies, and with which delay. */
export interface Impairment {
  /** Probability that a frame is affected, 0 to 1. */
  readonly probability: number;
  /** Number of affected frames after which the impairment ends; `Infinity` for no limit. */
  readonly count: number;
  /** Delay in microseconds; only for `delay`. */
  readonly micros: number;
}

/** What happened to a frame at the end of the cable. */
export const DeliveryResult = { delivered: 0, refused: 1, lost: 2 } as const;
export type DeliveryResult = (typeof DeliveryResult)[keyof typeof DeliveryResult];

/**
 * Totals of one direction. Before and after each call, entered + doubled = delivered + refused + lost + held: a
 * duplicate counts as one more frame.
 */
export interface LaneTotals {
  /** Number of frames that were put on the cable. */
  entered: number;
  /** Number of bytes in the frames that were put on the cable. */
  enteredBytes: number;
  doubled: number;
  /** Number of frames accepted at the other end. */
  delivered: number;
  /** Number of bytes in the accepted frames. */
  deliveredBytes: number;
  /** Number of frames that arrived but were not accepted: no NIC is connected, or the NIC dropped them. */
  refused: number;
  /** Number of frames that did not arrive: lost, damaged so that receivers drop them, or dropped by a full queue. */
  lost: number;
  /** Number of frames in transit. */
  held: number;
}

export type ImpairmentCounts = Readonly<Record<ImpairmentName | "overflow", number>>;

/** Maximum number of frames in transit; a further frame that should be delayed is lost. */
const MAX_HELD = 4096;
/** A frame that should be swapped with the next one is delivered without a swap if none follows within this time. */
const MAX_REORDER_MICROS = 10_000;

/** Pseudorandom numbers from 0 to below 1, reproducible from a seed: xorshift32 (Marsaglia 2003). */
const generator = (seed: number): (() => number) => {
  // The state must not be 0.
  let state = seed | 0 || 0x9e37_79b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
};

interface Armed {
  probability: number;
  left: number;
  micros: number;
}

/** A frame in transit; `damage` has bits of `Damage`. */
export interface FrameInFlight {
  readonly bytes: Uint8Array;
  readonly damage: number;
}

export interface LaneParts {
  readonly clock: { now(): number };
  readonly timers: Timers;
  readonly deliver: (flight: FrameInFlight) => DeliveryResult;
}

/** One direction: its impairments, and the frames in transit. */
export class Lane {
  readonly counts: Record<ImpairmentName | "overflow", number>;
  readonly totals: LaneTotals = {
    entered: 0,
    enteredBytes: 0,
    doubled: 0,
    delivered: 0,
    deliveredBytes: 0,
    refused: 0,
    lost: 0,
    held: 0,
  };
  /** True while no impairment is armed and no frame is held: frames then pass unchanged. */
  idle = true;
  readonly #armed = new Map<ImpairmentName, Armed>();
  readonly #parts: LaneParts;
  #random: () => number;
  /** The frame that will be swapped with the next one. */
  #waiting: { readonly flight: FrameInFlight; readonly cancel: () => void } | undefined;

  constructor(parts: LaneParts, seed: number) {
    this.counts = { loss: 0, corrupt: 0, crc: 0, duplicate: 0, reorder: 0, delay: 0, overflow: 0 };
    this.#parts = parts;
    this.#random = generator(seed);
  }

  seed(seed: number): void {
    this.#random = generator(seed);
  }

  arm(name: ImpairmentName, { probability, count, micros }: Impairment): void {
    if (probability === 0 || count === 0) this.#armed.delete(name);
    else this.#armed.set(name, { probability, left: count, micros });
    this.#settle();
  }

  clear(): void {
    this.#armed.clear();
    this.#settle();
  }

  armed(): Partial<Record<ImpairmentName, Impairment>> {
    return Object.fromEntries(
      [...this.#armed].map(([name, { probability, left, micros }]) => [name, { probability, count: left, micros }]),
    );
  }

  /** Puts a frame on the cable. The armed impairments decide whether it is lost, changed, held or delivered at once. */
  take(bytes: Uint8Array): void {
    this.totals.entered++;
    this.totals.enteredBytes += bytes.length;
    if (this.#strikes("loss") !== undefined) {
      this.totals.lost++;
      this.#settle();
      return;
    }
    if (this.#strikes("corrupt") !== undefined) this.#flip(bytes);
    const damage = this.#strikes("crc") === undefined ? 0 : Damage.crc;
    if (damage !== 0) this.#flip(bytes);
    const copy = this.#strikes("duplicate") === undefined ? undefined : bytes.slice();
    if (copy !== undefined) this.totals.doubled++;
    this.#order({ bytes, damage });
    if (copy !== undefined) this.#order({ bytes: copy, damage });
    this.#settle();
  }

  /** Counts a frame that bypassed the impairments. Returns true if it was delivered. */
  passed(length: number, result: DeliveryResult): boolean {
    this.totals.entered++;
    this.totals.enteredBytes += length;
    return this.#countResult(length, result);
  }

  #countResult(length: number, result: DeliveryResult): boolean {
    const { totals } = this;
    if (result === DeliveryResult.delivered) {
      totals.delivered++;
      totals.deliveredBytes += length;
    } else if (result === DeliveryResult.refused) totals.refused++;
    else totals.lost++;
    return result === DeliveryResult.delivered;
  }

  #deliver(flight: FrameInFlight): void {
    this.#countResult(flight.bytes.length, this.#parts.deliver(flight));
  }

  #order(flight: FrameInFlight): void {
    const waiting = this.#waiting;
    if (waiting === undefined && this.#strikes("reorder") !== undefined) {
      this.#waiting = { flight, cancel: this.#hold(MAX_REORDER_MICROS, () => this.#release()) };
      return;
    }
    this.#delay(flight);
    if (waiting === undefined) return;
    waiting.cancel();
    this.#release();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.#delay(waiting.flight);
    this.#settle();
  }

  #delay(flight: FrameInFlight): void {
    const delay = this.#strikes("delay");
    if (delay === undefined) this.#deliver(flight);
    else if (this.totals.held >= MAX_HELD) {
      this.counts.overflow++;
      this.totals.lost++;
    } else
      this.#hold(delay.micros, () => {
        this.#deliver(flight);
        this.#settle();
      });
  }

  /** Runs `done` after `micros`; until then this direction is not idle. Returns a function that cancels this. */
  #hold(micros: number, done: () => void): () => void {
    const { clock, timers } = this.#parts;
    this.totals.held++;
    const cancel = timers.schedule(clock.now() + micros, () => {
      this.totals.held--;
      done();
    });
    return () => {
      this.totals.held--;
      cancel();
    };
  }

  #strikes(name: ImpairmentName): Armed | undefined {
    const armed = this.#armed.get(name);
    if (armed === undefined || (armed.probability < 1 && this.#random() >= armed.probability)) return undefined;
    this.counts[name]++;
    if (--armed.left === 0) this.#armed.delete(name);
    return armed;
  }

  /** Flips one bit after the addresses, so that the frame still reaches its receiver. */
  #flip(frame: Uint8Array): void {
    const from = Math.min(12, frame.length - 1);
    const bit = Math.floor(this.#random() * 8 * (frame.length - from));
    frame[from + (bit >> 3)]! ^= 1 << (bit & 7);
  }

  #settle(): void {
    this.idle = this.#armed.size === 0 && this.totals.held === 0;
  }
}
