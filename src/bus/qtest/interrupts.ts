/** The interrupt of a PCI function. It is a level, whose changes QEMU reports. */
import { OutOfRange, Revoked } from "#kit/errors.ts";
import type { InterruptLine, Interrupts } from "#kit/interrupts.ts";

/** The source of a pin's changes. */
export interface PinSource {
  /** Processes the changes that QEMU has reported so far, without waiting. */
  poll(): void;
}

/**
 * An interrupt line with a level: `take` returns true until the device withdraws its request. There is no descriptor
 * for poll(2), because a request may already have read QEMU's message from the socket; use `QtestDevice.wait`.
 */
export class PinInterrupt implements Interrupts {
  readonly vectors = 1;
  /** Number of rising edges, counted whether or not the line is requested. */
  raised = 0;
  readonly #source: PinSource;
  #high = false;
  #masked = true;
  #latched = false;
  #requested = false;

  constructor(source: PinSource) {
    this.#source = source;
  }

  change(high: boolean): void {
    if (high && !this.#high) this.raised++;
    this.#high = high;
    // An interrupt that the device withdraws before `take` is still delivered once.
    if (high && !this.#masked) this.#latched = true;
  }

  get pending(): boolean {
    return !this.#masked && (this.#high || this.#latched);
  }

  limit(): void {}

  request(vectors: number | readonly number[]): InterruptLine {
    const wrong = [vectors].flat().find((vector) => vector !== 0);
    if (wrong !== undefined) throw new OutOfRange(`interrupt vector ${wrong} does not exist: the device has 1`);
    if (this.#requested) throw new OutOfRange("interrupt vector 0 is already requested");
    this.#requested = true;
    let live = true;
    const check = (): void => {
      if (!live) throw new Revoked("interrupt vector 0");
    };
    return {
      fd: undefined,
      level: false,
      take: () => {
        check();
        this.#source.poll();
        const taken = this.pending;
        this.#latched = false;
        return taken;
      },
      mask: () => {
        check();
        this.#masked = true;
      },
      unmask: () => {
        check();
        this.#masked = false;
      },
      [Symbol.dispose]: () => {
        live = false;
        this.#requested = false;
        this.#masked = true;
        this.#latched = false;
      },
    };
  }
}
