/** One data-plane thread as the main thread holds it: its worker, and the bell that makes it look at its messages. */
import { Worker } from "node:worker_threads";
import { FerruleError, Timeout } from "#kit/errors.ts";
import type { EventFd } from "#sys/eventfd.ts";
import type { PlainError } from "./messages.ts";

const CLOSE_LIMIT_MILLIS = 5000;

/** An error that happened in a data-plane thread. */
export class ThreadFailure extends FerruleError {
  readonly code: string;
  readonly hint: string;
  constructor(error: PlainError) {
    super(error.message);
    this.code = error.code;
    this.hint = error.hint;
  }
}

/** What a thread may say of itself at any time, whatever else it reports. */
interface Failed {
  readonly report: "event";
  readonly event: { readonly kind: "failed"; readonly error: PlainError };
}

const failureOf = (report: object): ThreadFailure | undefined => {
  const { report: kind, event } = report as Partial<Failed>;
  return kind === "event" && event?.kind === "failed" ? new ThreadFailure(event.error) : undefined;
};

/** `Command` is what it is told, `Report` what it tells. A command `{ command: "close" }` ends it. */
export class WorkerThread<Command extends object, Report extends object> {
  readonly #worker: Worker;
  readonly #bell: EventFd;
  readonly #what: string;
  readonly #ended: Promise<void>;
  #listener: (report: Report) => void = () => {};
  #failed: (error: Error) => void = () => {};

  constructor(what: string, entry: URL, task: object, bell: EventFd) {
    this.#what = what;
    this.#bell = bell;
    this.#worker = new Worker(entry, {
      workerData: task,
      name: what,
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#worker.on("message", (report: Report) => this.#listener(report));
    this.#worker.on("error", (error) => this.#failed(error instanceof Error ? error : new Error(String(error))));
    this.#ended = new Promise((resolve) => this.#worker.on("exit", () => resolve()));
    void this.#ended.then(() =>
      this.#failed(
        new ThreadFailure({ code: "THREAD_ENDED", message: `${what} ended`, hint: "Set FERRULE_DEBUG=1 to see why." }),
      ),
    );
  }

  listen(listener: (report: Report) => void, failed: (error: Error) => void): void {
    this.#listener = listener;
    this.#failed = failed;
  }

  /** The first report that `pick` takes. @throws {Timeout}, and what ends the thread. */
  async until<T>(limitMillis: number, pick: (report: Report) => T | undefined): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = setTimeout(
      () => reject(new Timeout({ what: this.#what, waitedMicros: limitMillis * 1000 })),
      limitMillis,
    );
    this.listen((report) => {
      const failure = failureOf(report);
      if (failure !== undefined) reject(failure);
      const picked = pick(report);
      if (picked !== undefined) resolve(picked);
    }, reject);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  tell(command: Command | { readonly command: "close" }): void {
    this.#worker.postMessage(command);
    this.#bell.signal();
  }

  /** Asks it to end, and ends it when it does not. */
  async end(): Promise<void> {
    // Its last words may be warnings: a capture that could not be finished.
    this.#failed = () => {};
    this.tell({ command: "close" });
    const timer = setTimeout(() => void this.#worker.terminate(), CLOSE_LIMIT_MILLIS);
    await this.#ended;
    clearTimeout(timer);
  }
}
