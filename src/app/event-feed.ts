/** Passes events of data-plane threads to listeners in the main thread. */
import type { PlainError } from "./plain-error.ts";
import { ThreadFailure } from "./worker-thread.ts";

interface Failed {
  readonly kind: "failed";
  readonly error: PlainError;
}

const isFailure = (event: { readonly kind: string }): event is Failed => event.kind === "failed";

/** Keeps events until there is a listener. One failure causes others: only the first is reported. */
export class EventFeed<Event extends { readonly kind: string }> {
  readonly #onFailure: (failure: ThreadFailure) => void;
  readonly #listeners: ((event: Event | Failed) => void)[] = [];
  readonly #early: Event[] = [];
  #failure: ThreadFailure | undefined;
  #closing = false;

  /** @param onFailure called before the listeners */
  constructor(onFailure: (failure: ThreadFailure) => void) {
    this.#onFailure = onFailure;
  }

  get failure(): ThreadFailure | undefined {
    return this.#failure;
  }

  /** Call when closing begins: a later failure is a consequence of it, and is not reported. */
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

  /** Call when a thread failed. */
  fail(error: Error): void {
    const { code = "INTERNAL", hint = "" } = error as { code?: string; hint?: string };
    this.push({ kind: "failed", error: { code, message: error.message, hint } });
  }
}
