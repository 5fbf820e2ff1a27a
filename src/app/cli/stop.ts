/** How a running command is asked to stop: signals, of which the first asks and the second insists. */
import { constants } from "node:os";
import { exitNow } from "#sys/process.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type StopSignal = (typeof SIGNALS)[number];

/**
 * One Ctrl-C may arrive twice: from the terminal, and forwarded by whatever started us. Signals closer together than
 * this, in milliseconds, are the same request.
 */
const SAME_REQUEST = 300;

export interface StopSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
}

/** Listens for signals until disposed. */
export class Stop implements Disposable {
  /** Resolves with the reason once someone asked. */
  readonly asked: Promise<string>;
  /** Aborted once someone asked, for what takes a signal of that kind. */
  readonly signal: AbortSignal;
  readonly #source: StopSource;
  readonly #listener: (signal: StopSignal) => void;
  readonly #ask: (reason: string) => void;
  readonly #controller = new AbortController();
  #first: number | undefined;

  /** @param insist what a second signal does; gets the shell's exit code for it */
  constructor(source: StopSource, now: () => number, insist: (exitCode: number) => void) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.asked = promise;
    this.signal = this.#controller.signal;
    this.#ask = resolve;
    this.#source = source;
    this.#listener = (signal) => {
      this.#first ??= now();
      this.ask(signal);
      if (now() - this.#first > SAME_REQUEST) insist(128 + constants.signals[signal]);
    };
    for (const signal of SIGNALS) source.on(signal, this.#listener);
  }

  /** Asks as a signal would, for another reason. */
  ask(reason: string): void {
    this.#ask(reason);
    this.#controller.abort();
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) this.#source.off(signal, this.#listener);
  }
}

/** Stops at the process's signals; a second one ends it at once, leaving the kernel to clear up. */
export const stopAtSignals = (): Stop => new Stop(process, () => performance.now(), exitNow);
