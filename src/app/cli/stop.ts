/** Requests to stop a running command: the first signal requests a stop, the second ends the process. */
import { constants } from "node:os";
import { exitNow } from "#sys/process.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type StopSignal = (typeof SIGNALS)[number];

/**
 * One Ctrl-C may arrive twice: from the terminal, and forwarded by the launcher. Signals within this many milliseconds
 * are therefore one request.
 */
const SAME_REQUEST = 300;

export interface StopSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
}

/** Listens for signals until disposed. */
export class Stop implements Disposable {
  /** Resolves with the reason when a stop is requested. */
  readonly asked: Promise<string>;
  /** Aborted when a stop is requested, for functions that take an AbortSignal. */
  readonly signal: AbortSignal;
  readonly #source: StopSource;
  readonly #listener: (signal: StopSignal) => void;
  readonly #ask: (reason: string) => void;
  readonly #controller = new AbortController();
  #first: number | undefined;

  /** @param insist called for a second signal, with the shell's exit code for that signal */
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

  /** Requests a stop, as the first signal does. */
  ask(reason: string): void {
    this.#ask(reason);
    this.#controller.abort();
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) this.#source.off(signal, this.#listener);
  }
}

/**
 * A `Stop` for the process's signals. A second signal ends the process at once; the kernel then releases its resources.
 */
export const stopAtSignals = (): Stop => new Stop(process, () => performance.now(), exitNow);
