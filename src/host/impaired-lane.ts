/** One direction of a bad cable: which frames it strikes, and which it holds back. Drawn from a seed. */
import type { Timers } from "#kit/clock.ts";
import { Damage } from "#kit/port.ts";

/**
 * In the order in which they strike a frame. `corrupt` changes a bit as a faulty switch does, which makes the FCS anew;
 * `crc` is a bad cable: the FCS does not match, so a NIC counts the frame and drops it, and so does a switch.
 */
export const IMPAIRMENTS = ["loss", "corrupt", "crc", "duplicate", "reorder", "delay"] as const;
export type ImpairmentName = (typeof IMPAIRMENTS)[number];

/** Seen from the NIC: `out` is what it sends. */
export const DIRECTIONS = ["out", "in"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** When one strikes. */
export interface Impairment {
  /** Which share of the frames, 0 to 1. */
  readonly probability: number;
  /** After so many frames it is over; `Infinity` when it stays. */
  readonly count: number;
  /** How long a frame is held, in microseconds: of `delay` only. */
  readonly micros: number;
}

/** What became of a frame that came out of a lane. */
export const Fate = { delivered: 0, refused: 1, lost: 2 } as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

/**
 * One direction in sums: entered + doubled = delivered + refused + lost + held, whatever is armed. A doubled frame is one more.
 */
export interface LaneTotals {
  /** Frames and bytes that were put on the cable. */
  entered: number;
  enteredBytes: number;
  doubled: number;
  /** Frames and bytes that whoever holds the other end has taken. */
  delivered: number;
  deliveredBytes: number;
  /** Frames that came, and were not taken: no receiver, or not one for them. */
  refused: number;
  /** Frames that did not arrive: lost, damaged so that the receiver drops them, or without room to wait in. */
  lost: number;
  /** Frames under way. */
  held: number;
}

export type ImpairmentCounts = Readonly<Record<ImpairmentName | "overflow", number>>;

/** How many frames may be under way on a slow cable before it loses some. */
const MOST_HELD = 4096;
/** A frame that was to change places with the next one goes on alone after this. */
const LONELY_MICROS = 10_000;

/** Numbers from 0 to below 1 that a seed repeats: xorshift32 (Marsaglia 2003). */
const generator = (seed: number): (() => number) => {
  // 0 is the one state that it never leaves.
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

/** A frame under way, with bits of `Damage`. */
export interface Flight {
  readonly bytes: Uint8Array;
  readonly damage: number;
}

export interface LaneParts {
  readonly clock: { now(): number };
  readonly timers: Timers;
  readonly deliver: (flight: Flight) => Fate;
}

/** One direction: what strikes whom, and the frames held back. */
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
  /** Nothing is armed and nothing held: frames pass untouched. */
  idle = true;
  readonly #armed = new Map<ImpairmentName, Armed>();
  readonly #parts: LaneParts;
  #random: () => number;
  /** The frame that lets the next one pass. */
  #waiting: { readonly flight: Flight; readonly cancel: () => void } | undefined;

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

  /** Takes a frame that is the lane's own, and delivers it as often and as late as it is to come. */
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

  /** Counts a frame that passed without the lane. Returns whether it was delivered. */
  passed(length: number, fate: Fate): boolean {
    this.totals.entered++;
    this.totals.enteredBytes += length;
    return this.#ended(length, fate);
  }

  #ended(length: number, fate: Fate): boolean {
    const { totals } = this;
    if (fate === Fate.delivered) {
      totals.delivered++;
      totals.deliveredBytes += length;
    } else if (fate === Fate.refused) totals.refused++;
    else totals.lost++;
    return fate === Fate.delivered;
  }

  #deliver(flight: Flight): void {
    this.#ended(flight.bytes.length, this.#parts.deliver(flight));
  }

  #order(flight: Flight): void {
    const waiting = this.#waiting;
    if (waiting === undefined && this.#strikes("reorder") !== undefined) {
      this.#waiting = { flight, cancel: this.#hold(LONELY_MICROS, () => this.#release()) };
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

  #delay(flight: Flight): void {
    const delay = this.#strikes("delay");
    if (delay === undefined) this.#deliver(flight);
    else if (this.totals.held >= MOST_HELD) {
      this.counts.overflow++;
      this.totals.lost++;
    } else
      this.#hold(delay.micros, () => {
        this.#deliver(flight);
        this.#settle();
      });
  }

  /** Runs `done` later; the lane is not idle until then. */
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

  /** One bit, behind the addresses so that the frame still arrives. */
  #flip(frame: Uint8Array): void {
    const from = Math.min(12, frame.length - 1);
    const bit = Math.floor(this.#random() * 8 * (frame.length - from));
    frame[from + (bit >> 3)]! ^= 1 << (bit & 7);
  }

  #settle(): void {
    this.idle = this.#armed.size === 0 && this.totals.held === 0;
  }
}
