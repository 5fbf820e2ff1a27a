/**
 * Interrupt lines in the driver's own thread. There is no file descriptor: an event is a call of a handler, or a flag.
 */
import { OutOfRange, Revoked } from "./errors.ts";
import type { InterruptLine, Interrupts } from "./interrupts.ts";

/** Largest number of vectors that a function can have (PCI 3.0, 6.8.2.3: MSI-X table size). */
const MAX_VECTORS = 2048;

/**
 * Largest number of consecutive calls of a handler. It limits a device that raises its interrupt again during each
 * call: the event after the last call is held until the next `raise` or `unmask`.
 */
const STORM = 256;

/**
 * Interrupts that the bus raises by calling `raise`. If there is a handler, calling it delivers the event, and `take`
 * is not needed. A handler is not called while it runs: events that arrive meanwhile are delivered by one more call
 * after it returns. Events of a vector that is not requested or does not exist are counted and dropped, because the
 * device is not trusted.
 */
export class SoftInterrupts implements Interrupts {
  readonly vectors: number;
  readonly #lines: (SoftLine | undefined)[];
  #stray = 0;

  /** @throws {OutOfRange} unless `vectors` is 1 to 2048 */
  constructor(vectors: number) {
    if (!Number.isInteger(vectors) || vectors < 1 || vectors > MAX_VECTORS)
      throw new OutOfRange(`a device has 1 to ${MAX_VECTORS} interrupt vectors, not ${vectors}`);
    this.vectors = vectors;
    this.#lines = Array.from<undefined>({ length: vectors });
  }

  /** Number of events for vectors that do not exist or were not requested. */
  get stray(): number {
    return this.#stray;
  }

  /** Has no effect, because these interrupts are of only one kind. */
  limit(): void {}

  request(vectors: number | readonly number[], onEvent?: () => void): InterruptLine {
    const all = [vectors].flat();
    for (const vector of all) {
      if (!Number.isInteger(vector) || vector < 0 || vector >= this.vectors)
        throw new OutOfRange(`interrupt vector ${vector}: the device has vectors 0 to ${this.vectors - 1}`);
      if (this.#lines[vector] !== undefined) throw new OutOfRange(`interrupt vector ${vector} is already requested`);
    }
    const line = new SoftLine(all.join(", "), onEvent, () => {
      for (const vector of all) this.#lines[vector] = undefined;
    });
    for (const vector of all) this.#lines[vector] = line;
    return line;
  }

  /** Call when the device signals `vector`. Throws only what the driver's handler throws. */
  raise(vector: number): void {
    const line = this.#lines[vector];
    if (line === undefined) this.#stray++;
    else line.raise();
  }
}

class SoftLine implements InterruptLine {
  readonly fd = undefined;
  readonly level = false;
  readonly #vector: string;
  readonly #onEvent: (() => void) | undefined;
  #release: (() => void) | undefined;
  #masked = false;
  /** An event waits for `unmask`: it arrived while the line was masked, or after `STORM` calls of the handler. */
  #held = false;
  #pending = false;
  #delivering = false;

  constructor(vector: string, onEvent: (() => void) | undefined, release: () => void) {
    this.#vector = vector;
    this.#onEvent = onEvent;
    this.#release = release;
  }

  take(): boolean {
    this.#check();
    const taken = this.#pending;
    this.#pending = false;
    return taken;
  }

  mask(): void {
    this.#check();
    this.#masked = true;
    // Without a handler, an event that was raised before masking stays pending until `take`, as in an eventfd.
    if (this.#onEvent !== undefined) this.#hold();
  }

  unmask(): void {
    this.#check();
    this.#masked = false;
    if (this.#held) this.raise();
  }

  raise(): void {
    if (this.#masked) {
      this.#held = true;
      return;
    }
    this.#held = false;
    this.#pending = true;
    if (this.#onEvent !== undefined && !this.#delivering) this.#deliver(this.#onEvent);
  }

  [Symbol.dispose](): void {
    this.#pending = false;
    this.#held = false;
    this.#release?.();
    this.#release = undefined;
  }

  #deliver(onEvent: () => void): void {
    this.#delivering = true;
    try {
      for (let calls = 0; this.#pending && calls < STORM; calls++) {
        this.#pending = false;
        onEvent();
      }
    } finally {
      this.#delivering = false;
    }
    this.#hold();
  }

  #hold(): void {
    if (!this.#pending) return;
    this.#pending = false;
    this.#held = true;
  }

  #check(): void {
    if (this.#release === undefined) throw new Revoked(`interrupt vector ${this.#vector}`);
  }
}
