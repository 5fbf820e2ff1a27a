/**
 * Counts garbage collections of the calling thread. It works without an event loop, which a data-plane thread never
 * runs.
 */
import { GCProfiler } from "node:v8";

export interface PauseCounts {
  readonly count: number;
  readonly micros: number;
}

export const NO_PAUSES: PauseCounts = { count: 0, micros: 0 };

/**
 * Counts until it is disposed. `refresh` updates `count` and `micros`; it allocates memory, so it should be called
 * seldom.
 */
export class Pauses implements Disposable {
  count = 0;
  micros = 0;
  #profiler = new GCProfiler();

  constructor() {
    this.#profiler.start();
  }

  refresh(): void {
    const { statistics } = this.#profiler.stop();
    for (const { cost } of statistics) {
      this.count++;
      this.micros += Math.round(cost);
    }
    this.#profiler = new GCProfiler();
    this.#profiler.start();
  }

  [Symbol.dispose](): void {
    this.#profiler.stop();
  }
}
