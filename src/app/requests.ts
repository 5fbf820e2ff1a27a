/** The main thread's end of operations: requests to the driver's thread, each with a number and a limit on the wait for its answer. */
import { within } from "./limit.ts";
import type { Argument } from "./argument.ts";
import type { AnswerReport, OperateCommand } from "./session-messages.ts";
import { ThreadFailure } from "./worker-thread.ts";

/** Milliseconds for an answer: longer than the thread allows an operation (`OPERATION_MICROS`). */
const ANSWER_MILLIS = 25_000;

export class Requests {
  readonly #tell: (command: OperateCommand) => void;
  readonly #waiting = new Map<number, PromiseWithResolvers<object>>();
  #last = 0;
  #ended: Error | undefined;

  constructor(tell: (command: OperateCommand) => void) {
    this.#tell = tell;
  }

  /** Waits for `wantedMillis`, but no longer than the thread allows an operation. @throws {ThreadFailure} with the operation's error; {TookTooLong}; what `end` was called with */
  async ask(operation: string, argument: Argument, wantedMillis = ANSWER_MILLIS): Promise<object> {
    if (this.#ended !== undefined) throw this.#ended;
    const limitMillis = Math.min(wantedMillis, ANSWER_MILLIS);
    const id = ++this.#last;
    const waiting = Promise.withResolvers<object>();
    this.#waiting.set(id, waiting);
    try {
      this.#tell({ command: "operate", id, operation, argument, limitMillis });
      return await within(waiting.promise, `"${operation}"`, limitMillis);
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** An answer has come. One that came too late is dropped. */
  hear({ id, value, error }: AnswerReport): void {
    const waiting = this.#waiting.get(id);
    if (value === undefined) waiting?.reject(new ThreadFailure(error));
    else waiting?.resolve(value);
  }

  /** No answer will come any more, for this reason; only the first one counts. */
  end(reason: Error): void {
    this.#ended ??= reason;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
  }
}
