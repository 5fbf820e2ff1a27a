/**
 * The tasks that every data-plane thread has in addition to its main work: it reads messages from the main thread,
 * publishes counters, and ends cleanly.
 */
import { type MessagePort, parentPort, receiveMessageOnPort } from "node:worker_threads";
import { EventFd } from "#sys/eventfd.ts";
import { plainError } from "./plain-error.ts";
import type { Command, DriverCommand, Report } from "./session-messages.ts";
import { NO_PAUSES, type PauseCounts, Pauses } from "./pauses.ts";

const PUBLISH_MILLIS = 50;
/** Interval at which captures and traces are flushed. It is short because they may be watched live. */
const FLUSH_MILLIS = 100;
const PAUSES_MILLIS = 2000;

/** Work that is done periodically. */
export interface PeriodicTasks {
  publish(pauses: PauseCounts): void;
  /** Flushes buffered output. */
  flush(): void;
}

export class Periodic implements Disposable {
  readonly #tasks: readonly PeriodicTasks[];
  readonly #pauses = new Pauses();
  #nextPublish = 0;
  #nextFlush = 0;
  #nextPauses = performance.now() + PAUSES_MILLIS;

  constructor(...periodic: readonly PeriodicTasks[]) {
    this.#tasks = periodic;
  }

  /** Runs the tasks that are due. Must be called often; returns at once if nothing is due. */
  run(): void {
    const now = performance.now();
    if (now >= this.#nextFlush) {
      this.#nextFlush = now + FLUSH_MILLIS;
      for (const task of this.#tasks) task.flush();
    }
    if (now >= this.#nextPauses) {
      this.#nextPauses = now + PAUSES_MILLIS;
      this.#pauses.refresh();
    }
    if (now < this.#nextPublish) return;
    this.#nextPublish = now + PUBLISH_MILLIS;
    this.publish();
  }

  /**
   * Publishes the counters of all tasks. The counters of the first task include the garbage collections of the thread.
   */
  publish(): void {
    for (const [i, task] of this.#tasks.entries()) task.publish(i === 0 ? this.#pauses : NO_PAUSES);
  }

  [Symbol.dispose](): void {
    this.#pauses[Symbol.dispose]();
  }
}

/** Receives messages from the main thread. A thread that never returns to its event loop must read them itself. */
export class Control {
  /** The descriptor with which poll(2) waits for a message. */
  readonly fd: number;
  readonly #bell: EventFd;
  readonly #port: MessagePort;
  readonly #onCommand: (command: DriverCommand) => void;
  closing = false;

  constructor(fd: number, port: MessagePort, onCommand: (command: DriverCommand) => void) {
    this.fd = fd;
    this.#bell = EventFd.attach(fd);
    this.#port = port;
    this.#onCommand = onCommand;
  }

  /** Processes received messages. */
  handle(): void {
    this.#bell.drain();
    for (let m = receiveMessageOnPort(this.#port); m !== undefined; m = receiveMessageOnPort(this.#port)) {
      const command = m.message as Command;
      if (command.command === "close") this.closing = true;
      else this.#onCommand(command);
    }
  }
}

/**
 * Runs a data-plane thread's work, and reports its errors to the main thread. Does nothing if it is called in the main
 * thread.
 */
export const runThread = (work: (port: MessagePort, report: (report: Report) => void) => void): void => {
  const port = parentPort;
  if (port === null) return;
  const report = (message: Report): void => port.postMessage(message);
  try {
    work(port, report);
  } catch (error) {
    if (process.env["FERRULE_DEBUG"] !== undefined) console.error(error);
    report({ report: "event", event: { kind: "failed", error: plainError(error) } });
  }
};
