/** The times at which the packets of a capture file are replayed: the recorded ones, unless they are implausible. */

/** Longer pauses are shortened to this length. Otherwise a wrong time stamp could delay all later packets for years. */
export const MAX_PAUSE_SECONDS = 60;
/**
 * Packets that were captured from several queues may be out of order by up to this time. If time goes back further, the
 * clock was set back.
 */
const DISORDER_MICROS = 1_000_000;

interface Timed {
  readonly timed: boolean;
  readonly seconds: number;
  readonly nanoseconds: number;
}

export class Schedule {
  /** Number of shortened pauses. */
  pauses = 0;
  /** Number of ignored steps back in time. */
  stepsBack = 0;
  /** The time in the file that corresponds to `#base`, in two parts: nanoseconds since 1970 do not fit into 53 bits. */
  #seconds = Number.NaN;
  #nanoseconds = 0;
  #base = 0;
  #latest = 0;

  /**
   * When the packet is due, in microseconds after the first one; never earlier than the previous packet. A packet
   * without a time is due together with the previous one.
   */
  next(packet: Timed): number {
    if (!packet.timed) return this.#latest;
    const { seconds, nanoseconds } = packet;
    // There may be packets without a time before the first one with a time.
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

  /** Makes the times of the next packets relative to this packet. */
  #restart({ seconds, nanoseconds }: Timed): void {
    this.#seconds = seconds;
    this.#nanoseconds = nanoseconds;
    this.#base = this.#latest;
  }
}
