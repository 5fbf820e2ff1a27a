/**
 * The main thread's end of operations: sends requests to the driver's thread, each with a time limit for the answer.
 */
import type { Argument } from "./argument.ts";
import { PendingRequests } from "./pending-requests.ts";
import type { AnswerReport, OperateCommand } from "./session-messages.ts";

/**
 * Time limit in milliseconds for an answer. It is longer than the thread's limit for an operation (`OPERATION_MICROS`).
 */
const ANSWER_MILLIS = 25_000;

export class Requests {
  readonly #tell: (command: OperateCommand) => void;
  readonly #pending = new PendingRequests<object>();

  constructor(tell: (command: OperateCommand) => void) {
    this.#tell = tell;
  }

  /**
   * Requests an operation, and waits for its reply for at most `requestedMillis`, but never longer than
   * `ANSWER_MILLIS`.
   * @throws the errors of `PendingRequests.ask`
   */
  ask(operation: string, argument: Argument, requestedMillis = ANSWER_MILLIS): Promise<object> {
    const limitMillis = Math.min(requestedMillis, ANSWER_MILLIS);
    return this.#pending.ask(`"${operation}"`, limitMillis, (id) =>
      this.#tell({ command: "operate", id, operation, argument, limitMillis }),
    );
  }

  handleAnswer({ id, value, error }: AnswerReport): void {
    if (value === undefined) this.#pending.fail(id, error);
    else this.#pending.answer(id, value);
  }

  end(reason: Error): void {
    this.#pending.end(reason);
  }
}
