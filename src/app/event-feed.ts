/** Passes events of data-plane threads to listeners in the main thread. */
import type { PlainError } from "./plain-error.ts";
import { ThreadFailure } from "./worker-thread.ts";

interface Failed {
  readonly kind: "failed";
  readonly error: PlainError;
}

const isFailure = (event: { readonly kind: string }): event is Failed => event.kind === "failed";

/**
 * Keeps events until there is a listener. Only the first failure is reported, because later ones are usually
 * consequences of it.
 */
export class EventFeed<Event extends { readonly kind: string }> {
  readonly #onFailure: (failure: ThreadFailure) => void;
  readonly #listeners: ((event: Event | Failed) => void)[] = [];
  readonly #early: Event[] = [];
  #failure: ThreadFailure | undefined;
  #closing = false;

  /** @param onFailure called at a failure, before the listeners */
  constructor(onFailure: (failure: ThreadFailure) => void) {
    this.#onFailure = onFailure;
  }

  get failure(): ThreadFailure | undefined {
    return this.#failure;
  }

  /**
   * Must be called when the session begins to close. Later failures are consequences of closing, and are not reported.
   */
  close(): void {
    this.#closing = true;
  }

  listen(listener: (event: Event | Failed) => void): void {
    this.#listeners.push(listener);
    for (const event of this.#early.splice(0)) listener(event);
    if (this.#failure === undefined) return;
    const { code, message, hint } = this.#failure;
    listener({ kind: "failed", error: { code, message, hint } });
  }

  push(event: Event | Failed): void {
    if (isFailure(event)) {
      if (this.#failure !== undefined || this.#closing) return;
      this.#failure = new ThreadFailure(event.error);
      this.#onFailure(this.#failure);
    } else if (this.#listeners.length === 0) this.#early.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  /** Reports that a thread has failed. */
  fail(error: Error): void {
    const { code = "INTERNAL", hint = "" } = error as { code?: string; hint?: string };
    this.push({ kind: "failed", error: { code, message: error.message, hint } });
  }
}
