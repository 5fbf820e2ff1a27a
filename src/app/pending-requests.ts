/** Requests to another thread, each with a number and a time limit for its answer. */
import { within } from "./limit.ts";
import type { PlainError } from "./plain-error.ts";
import { ThreadFailure } from "./worker-thread.ts";

export class PendingRequests<Answer> {
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #last = 0;
  #ended: Error | undefined;

  /**
   * Calls `send`, which must post the request with the number that it gets, and waits for the answer.
   * @throws {ThreadFailure} the other thread's error; {TookTooLong}; the reason that was passed to `end`
   */
  async ask(what: string, limitMillis: number, send: (id: number) => void): Promise<Answer> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = ++this.#last;
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting.set(id, waiting);
    try {
      send(id);
      return await within(waiting.promise, what, limitMillis);
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Resolves a request with its answer. An answer or error that comes too late is dropped. */
  answer(id: number, value: Answer): void {
    this.#waiting.get(id)?.resolve(value);
  }

  fail(id: number, error: PlainError): void {
    this.#waiting.get(id)?.reject(new ThreadFailure(error));
  }

  /** Rejects all present and future requests, because no more answers will come. Only the first reason is kept. */
  end(reason: Error): void {
    this.#ended ??= reason;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
  }
}
