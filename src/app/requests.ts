/** The main thread's end of operations: requests to the driver's thread, each with a limit on the wait for its answer. */
import type { Argument } from "./argument.ts";
import { Questions } from "./questions.ts";
import type { AnswerReport, OperateCommand } from "./session-messages.ts";

/** Milliseconds for a reply: longer than the thread's limit for an operation (`OPERATION_MICROS`). */
const ANSWER_MILLIS = 25_000;

export class Requests {
  readonly #tell: (command: OperateCommand) => void;
  readonly #questions = new Questions<object>();

  constructor(tell: (command: OperateCommand) => void) {
    this.#tell = tell;
  }

  /** Waits for `wantedMillis`, but no longer than the thread allows an operation. @throws as `Questions.ask` */
  ask(operation: string, argument: Argument, wantedMillis = ANSWER_MILLIS): Promise<object> {
    const limitMillis = Math.min(wantedMillis, ANSWER_MILLIS);
    return this.#questions.ask(`"${operation}"`, limitMillis, (id) =>
      this.#tell({ command: "operate", id, operation, argument, limitMillis }),
    );
  }

  hear({ id, value, error }: AnswerReport): void {
    if (value === undefined) this.#questions.fail(id, error);
    else this.#questions.answer(id, value);
  }

  end(reason: Error): void {
    this.#questions.end(reason);
  }
}
