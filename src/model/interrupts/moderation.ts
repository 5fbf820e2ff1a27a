/** Interrupt moderation of one ring: events of frames are held back until enough have passed, or enough time. */
import type { Schedule } from "../registers/schedule.ts";

/** The limits a guest has set. */
export interface Limits {
  /** Units of time an event may be held back; 0 is not at all. */
  readonly time: number;
  /** Frames that end the waiting; 0 is any number. */
  readonly frames: number;
}

/** Holds back what `deliver` tells. */
export class Moderation {
  readonly #schedule: Schedule;
  readonly #limits: () => Limits;
  readonly #unitMicros: () => number;
  readonly #deliver: () => void;
  readonly #expire: () => void;
  #time = 0;
  #limit = 0;
  /** Frames held back. */
  #frames = 0;
  #cancel: (() => void) | undefined;

  /** @param unitMicros the unit of time as it is when an event is held back */
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

  /** `count` frames have passed. The guest may be called from here: do this last. */
  frames(count: number): void {
    if (this.#time === 0) this.#deliver();
    else this.#hold(count);
  }

  /** The limits changed: what is held back goes out now. */
  changed(): void {
    this.#load();
    if (this.#frames > 0) this.#release();
  }

  /** The registers were reset: what is held back is forgotten. */
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
