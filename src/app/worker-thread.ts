/** The main thread's handle of a data-plane thread: its worker, and the eventfd that signals messages. */
import { type MessagePort, Worker } from "node:worker_threads";
import { FerruleError, Timeout } from "#kit/errors.ts";
import type { EventFd } from "#sys/eventfd.ts";
import { SocketPlace } from "#sys/unix-path.ts";
import type { PlainError } from "./plain-error.ts";

/** Time limits in milliseconds: for a thread to release its resources, and to exit after `terminate()`. */
const LIMITS = { close: 5_000, terminate: 1_000 } as const;

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

/**
 * A thread does not end, because it is blocked in a system call, which JavaScript cannot interrupt. Such a thread ends
 * only with the process; the kernel then releases its resources.
 */
export class ThreadStuck extends FerruleError {
  readonly code = "THREAD_STUCK";
  readonly hint =
    "The process ends anyway. The thread waited for a device, a file or a socket that does not respond: check those on the command line.";
  constructor(what: string, limitMillis: number) {
    super(`${what} is stuck in a system call: it did not end in ${limitMillis / 1000} s`);
  }
}

/** A stop was requested while the thread was starting. */
export class StartInterrupted extends FerruleError {
  readonly code = "START_INTERRUPTED";
  readonly hint = "Nothing was brought up. Start the command again.";
  constructor(what: string) {
    super(`${what} was stopped while it was starting`);
  }
}

/** Terminates a worker. @throws {ThreadStuck} if it does not end in time */
export const terminate = async (
  worker: Worker,
  what: string,
  limitMillis: number = LIMITS.terminate,
): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(resolve, limitMillis, "late");
  try {
    if ((await Promise.race([worker.terminate(), promise])) === "late") throw new ThreadStuck(what, limitMillis);
  } finally {
    clearTimeout(timer);
  }
};

/** The message that a thread has failed. A thread may send it at any time, in addition to its reports. */
interface Failed {
  readonly report: "event";
  readonly event: { readonly kind: "failed"; readonly error: PlainError };
}

const failureOf = (report: object): ThreadFailure | undefined => {
  const { report: kind, event } = report as Partial<Failed>;
  return kind === "event" && event?.kind === "failed" ? new ThreadFailure(event.error) : undefined;
};

/**
 * A data-plane thread. `Command` is the type of messages to the thread, and `Report` is the type of messages from the
 * thread. The command `{ command: "close" }` ends the thread.
 */
export class WorkerThread<Command extends object, Report extends object> {
  readonly #worker: Worker;
  readonly #bell: EventFd;
  readonly #what: string;
  readonly #ended: Promise<void>;
  #sockets: readonly SocketPlace[] = [];
  #listener: (report: Report) => void = () => {};
  #failed: (error: Error) => void = () => {};

  /** @param ports message ports that are part of the task */
  constructor(what: string, entry: URL, task: object, bell: EventFd, ports: readonly MessagePort[] = []) {
    this.#what = what;
    this.#bell = bell;
    this.#worker = new Worker(entry, {
      workerData: task,
      transferList: [...ports],
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

  /**
   * Waits for the first report that `pick` accepts, and returns what `pick` returned for it.
   * @param stop ends the wait when it is aborted
   * @throws {Timeout} {StartInterrupted}, and errors that end the thread
   */
  async until<T>(limitMillis: number, pick: (report: Report) => T | undefined, stop?: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = setTimeout(
      () => reject(new Timeout({ what: this.#what, waitedMicros: limitMillis * 1000 })),
      limitMillis,
    );
    const give = (): void => reject(new StartInterrupted(this.#what));
    if (stop?.aborted === true) give();
    stop?.addEventListener("abort", give);
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
      stop?.removeEventListener("abort", give);
    }
  }

  send(command: Command | { readonly command: "close" }): void {
    this.#worker.postMessage(command);
    this.#bell.signal();
  }

  /**
   * Notes that the thread has created sockets at these paths. `end` removes the sockets if the thread is stuck and
   * cannot remove them itself.
   */
  leaves(paths: readonly string[]): void {
    this.#sockets = paths.map((path) => new SocketPlace(path));
  }

  /**
   * Asks the thread to end, and terminates it if it does not end in time.
   * @throws {ThreadStuck}
   */
  async end(limits: { readonly close: number; readonly terminate: number } = LIMITS): Promise<void> {
    // From now on, the thread's end is not a failure. Its reports are still received, because the last ones may be
    // warnings, for example about an unfinished capture.
    this.#failed = () => {};
    this.send({ command: "close" });
    const { promise, resolve } = Promise.withResolvers<"late">();
    const timer = setTimeout(resolve, limits.close, "late");
    const late = await Promise.race([this.#ended, promise]);
    clearTimeout(timer);
    if (late !== "late") return;
    try {
      await terminate(this.#worker, this.#what, limits.terminate);
    } catch (error) {
      for (const socket of this.#sockets) socket.remove();
      throw error;
    }
  }
}
