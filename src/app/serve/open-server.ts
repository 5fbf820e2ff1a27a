/** Serves one NIC: starts its thread, forwards requests, and releases everything at the end. */
import { Revoked } from "#kit/errors.ts";
import { EventFd } from "#sys/eventfd.ts";
import { closeElsewhere } from "#sys/received-fd.ts";
import { entryUrl, prepareThreads } from "../compiled-code.ts";
import { StatisticsReader, statisticsMemory } from "../statistics-page.ts";
import { socketsOf } from "../wires/wire-spec.ts";
import { EventFeed } from "../event-feed.ts";
import { PendingRequests } from "../pending-requests.ts";
import { WorkerThread } from "../worker-thread.ts";
import type { ServeCommand, ServeEvent, ServeReport, ServeTask } from "./serve-messages.ts";
import type { ServeRequest } from "./requests.ts";
import { SERVE_COUNTERS, type ServeCounter, type ServeStatistics } from "../counters.ts";

/**
 * Time limit in milliseconds for a thread to start. A start takes a tenth of a second, but half a minute in an emulated
 * guest on a busy machine.
 */
const START_LIMIT_MILLIS = 120_000;

/** Time limit in milliseconds for the answer to a request. A request waits only for the thread's next turn. */
const ANSWER_MILLIS = 25_000;

export type ServeOptions = Omit<ServeTask, "statistics" | "control">;

/** A NIC that is being served. */
export interface Serving extends AsyncDisposable {
  /** Reads a consistent snapshot of all counters. */
  statistics(): ServeStatistics;
  onEvent(listener: (event: ServeEvent) => void): void;
  /**
   * Executes a request. Each kind of request has a result of its own type.
   * @throws {ThreadFailure} if the request or the thread fails; {TookTooLong}; {Revoked} after `close`
   */
  ask(request: ServeRequest): Promise<object>;
  /** Ends the client's connection, the wire and the thread. */
  close(): Promise<void>;
}

/**
 * Starts a server. Resolves when clients may connect.
 * @param stop aborts the start
 * @throws the errors of the thread's start: a path that is taken, no permission for TAP, a file that cannot be written,
 * …
 */
export const openServer = async (options: ServeOptions, stop?: AbortSignal): Promise<Serving> => {
  await prepareThreads(() => import("./serve-thread.ts"));
  await using scope = new AsyncDisposableStack();
  const bell = scope.use(EventFd.create());
  const statistics = statisticsMemory(SERVE_COUNTERS);
  const task: ServeTask = { ...options, statistics, control: bell.number };
  const entry = entryUrl("./serve-thread.ts", import.meta.url);
  const thread: WorkerThread<ServeCommand, ServeReport> = new WorkerThread("the server's thread", entry, task, bell);
  scope.defer(() => thread.end());
  const early: ServeEvent[] = [];
  const take = (report: ServeReport): ServeReport | undefined => {
    if (report.report === "event") early.push(report.event);
    return report.report === "ready" ? report : undefined;
  };
  await thread.until(START_LIMIT_MILLIS, take, stop);
  thread.leaves([options.socket, ...socketsOf(options.wire)]);
  return new OpenServer(thread, statistics, early, scope.move());
};

class OpenServer implements Serving {
  readonly #thread: WorkerThread<ServeCommand, ServeReport>;
  readonly #counters: StatisticsReader<ServeCounter>;
  readonly #scope: AsyncDisposableStack;
  readonly #events = new EventFeed<ServeEvent>((failure) => this.#pending.end(failure));
  readonly #pending = new PendingRequests<object>();
  #closing: Promise<void> | undefined;

  constructor(
    thread: WorkerThread<ServeCommand, ServeReport>,
    statistics: SharedArrayBuffer,
    early: ServeEvent[],
    scope: AsyncDisposableStack,
  ) {
    this.#thread = thread;
    this.#counters = new StatisticsReader(statistics, SERVE_COUNTERS);
    this.#scope = scope;
    thread.listen(
      (report) => this.#handleReport(report),
      (error) => this.#events.fail(error),
    );
    for (const event of early) this.#events.push(event);
  }

  statistics(): ServeStatistics {
    return this.#counters.read();
  }

  onEvent(listener: (event: ServeEvent) => void): void {
    this.#events.listen(listener);
  }

  ask(request: ServeRequest): Promise<object> {
    return this.#pending.ask("the server's answer", ANSWER_MILLIS, (id) =>
      this.#thread.send({ command: "request", id, request }),
    );
  }

  close(): Promise<void> {
    this.#events.close();
    this.#pending.end(new Revoked("the server"));
    this.#closing ??= this.#scope.disposeAsync();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #handleReport(report: ServeReport): void {
    if (report.report === "event") this.#events.push(report.event);
    if (report.report === "close") closeElsewhere(report.fd);
    if (report.report !== "reply") return;
    if (report.error === undefined) this.#pending.answer(report.id, report.value ?? {});
    else this.#pending.fail(report.id, report.error);
  }
}
