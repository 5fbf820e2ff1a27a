/** The counter of a PTP clock: nanoseconds that pass at an adjustable rate. */
import type { Schedule } from "../registers/schedule.ts";

const NANOS = 1000;
const SECOND = 1_000_000_000n;
const WRAPS_AT = 2n ** 48n * SECOND;

export class PtpClock {
  readonly #schedule: Schedule;
  /** PTP time in nanoseconds when the schedule's time was `#since`. */
  #time = 0n;
  #since = 0;
  #rate = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** Time in nanoseconds. A time below 0, or one whose seconds do not fit into 48 bits, wraps. */
  get time(): bigint {
    const elapsed = (this.#schedule.now() - this.#since) * NANOS;
    return inRange(this.#time + BigInt(Math.floor(elapsed * (1 + this.#rate))));
  }
  set time(nanos: bigint) {
    this.#time = inRange(nanos);
    this.#since = this.#schedule.now();
  }

  /** Deviation from the nominal rate, as a fraction. */
  set rate(fraction: number) {
    const { time } = this;
    this.time = time;
    this.#rate = fraction;
  }
}

const inRange = (nanos: bigint): bigint => ((nanos % WRAPS_AT) + WRAPS_AT) % WRAPS_AT;

/** A time as five words of 16 bits, the lowest first: two of nanoseconds, three of seconds. */
export const timeWords = (nanos: bigint): readonly number[] => {
  const below = Number(nanos % SECOND);
  const seconds = nanos / SECOND;
  const word = (shift: bigint): number => Number((seconds >> shift) & 0xffffn);
  return [below & 0xffff, below >>> 16, word(0n), word(16n), word(32n)];
};

/** The reverse of `timeWords`. Bits 31:30 of the nanoseconds are ignored. */
export const timeOf = (words: readonly number[]): bigint => {
  const [low = 0, high = 0, first = 0, second = 0, third = 0] = words;
  const seconds = (BigInt(third) << 32n) | BigInt(second * 0x1_0000 + first);
  return seconds * SECOND + BigInt((high & 0x3fff) * 0x1_0000 + low);
};
