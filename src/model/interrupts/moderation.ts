/** Interrupt moderation of one ring: events are delayed until a limit of frames or of time is reached. */
import type { Schedule } from "../registers/schedule.ts";

/** The limits set by the guest. */
export interface Limits {
  /** Maximum delay of an event, in the chip's units of time; 0 disables moderation. */
  readonly time: number;
  /** Number of frames that ends the delay; 0 for no limit. */
  readonly frames: number;
}

/** Delays the calls of `deliver`. */
export class Moderation {
  readonly #schedule: Schedule;
  readonly #limits: () => Limits;
  readonly #unitMicros: () => number;
  readonly #deliver: () => void;
  readonly #expire: () => void;
  #time = 0;
  #limit = 0;
  /** Number of frames since the last event. */
  #frames = 0;
  #cancel: (() => void) | undefined;

  /** @param unitMicros returns the unit of time in microseconds; called when a delay starts */
  constructor(schedule: Schedule, limits: () => Limits, unitMicros: () => number, deliver: () => void) {
    this.#schedule = schedule;
    this.#limits = limits;
    this.#unitMicros = unitMicros;
    this.#deliver = deliver;
    this.#expire = () => {
      this.#cancel = undefined;
      this.#release();
    };
  }

  /** Call when `count` frames were processed. The guest may run during this call, so call it last. */
  frames(count: number): void {
    if (this.#time === 0) this.#deliver();
    else this.#hold(count);
  }

  /** Call after the limits have changed. An event that is being delayed is raised at once. */
  changed(): void {
    this.#load();
    if (this.#frames > 0) this.#release();
  }

  /** Call when the registers were reset. Discards a delayed event. */
  reset(): void {
    this.#load();
    this.#forget();
  }

  #load(): void {
    const { time, frames } = this.#limits();
    this.#time = time;
    this.#limit = frames;
  }

  #hold(count: number): void {
    this.#frames += count;
    if (this.#limit !== 0 && this.#frames >= this.#limit) this.#release();
    else this.#cancel ??= this.#schedule.after(this.#time * this.#unitMicros(), this.#expire);
  }

  #forget(): void {
    this.#frames = 0;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #release(): void {
    this.#forget();
    this.#deliver();
  }
}
