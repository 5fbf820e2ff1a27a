/** When the packets of a capture file are due: at the recorded times, unless these are implausible. */

/** Longer pauses are shortened to this. Otherwise a wrong time stamp would delay all later packets, perhaps for years. */
export const MAX_PAUSE_SECONDS = 60;
/** Packets of several queues may be out of order by less than this. A larger step back means that the clock was set back. */
const DISORDER_MICROS = 1_000_000;

interface Timed {
  readonly timed: boolean;
  readonly seconds: number;
  readonly nanoseconds: number;
}

export class Schedule {
  /** Number of pauses shortened, and of steps back ignored. */
  pauses = 0;
  stepsBack = 0;
  /** The time in the file that corresponds to `#base`. Stored in two parts, because nanoseconds since 1970 exceed 53 bits. */
  #seconds = Number.NaN;
  #nanoseconds = 0;
  #base = 0;
  #latest = 0;

  /**
   * Microseconds after the first packet, never less than for the previous one. A packet without a time is due together with the previous one.
   */
  next(packet: Timed): number {
    if (!packet.timed) return this.#latest;
    const { seconds, nanoseconds } = packet;
    // Packets without a time may precede the first that has one.
    if (Number.isNaN(this.#seconds)) this.#restart(packet);
    const due = this.#base + (seconds - this.#seconds) * 1e6 + (nanoseconds - this.#nanoseconds) / 1000;
    const step = due - this.#latest;
    if (step > MAX_PAUSE_SECONDS * 1e6) {
      this.pauses++;
      this.#latest += MAX_PAUSE_SECONDS * 1e6;
      this.#restart(packet);
    } else if (step < -DISORDER_MICROS) {
      this.stepsBack++;
      this.#restart(packet);
    } else this.#latest = Math.max(due, this.#latest);
    return this.#latest;
  }

  /** Measures time in the file from this packet on. */
  #restart({ seconds, nanoseconds }: Timed): void {
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    this.#base = this.#latest;
  }
}
