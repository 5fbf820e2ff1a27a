/**
 * `ferrule up --detach`: the command starts itself again in the background, and returns once the interface exists. A
 * channel of Node's (`ipc`) connects the two processes. If the channel closes before the interface exists, the
 * background process stops, so an interrupted or killed start leaves nothing behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { FerruleError } from "#kit/errors.ts";
import { type PlainError, plainError } from "../plain-error.ts";
import { StartInterrupted, ThreadFailure } from "../worker-thread.ts";
import type { BackgroundLog } from "./background-log.ts";
import { RESTARTED_ENVIRONMENT } from "./drop-capabilities.ts";
import { within } from "../limit.ts";
import type { Stop } from "./stop.ts";
import type { UpEvent } from "./up-events.ts";

/** Environment variable that is set in the background process. */
const IN_BACKGROUND = "FERRULE_BACKGROUND";
/**
 * Time limit in milliseconds for the start. It is longer than a session's limits to start a thread (120 s) and to end
 * all threads (15 s) together.
 */
const START_MILLIS = 150_000;

/** The single message from the background process to the foreground process. */
type ParentMessage = { readonly up: UpEvent } | { readonly error: PlainError };

/** The background process ended without a message. */
export class NotDetached extends FerruleError {
  readonly code = "NOT_DETACHED";
  readonly hint: string;
  constructor(how: string, reader: string) {
    super(`the background process ended before the interface was up (${how})`);
    this.hint = `Its events are in the log: ${reader}.`;
  }
}

/** The foreground process, as seen from the background process. */
export class Foreground {
  #waits = true;

  private constructor(stop: Stop) {
    const gone = (): void => {
      if (this.#waits) stop.ask("the command that started this process has ended");
    };
    process.once("disconnect", gone);
    if (!process.connected) gone();
  }

  /** The foreground process; undefined in a process that `--detach` did not start. */
  static of(stop: Stop): Foreground | undefined {
    if (process.env[IN_BACKGROUND] === undefined) return undefined;
    delete process.env[IN_BACKGROUND];
    return new Foreground(stop);
  }

  /** Tells the foreground process that the interface exists. After that this process is independent. */
  up(event: UpEvent): Promise<void> {
    return this.#send({ up: event });
  }

  failed(error: unknown): Promise<void> {
    return this.#send({ error: plainError(error) });
  }

  async #send(message: ParentMessage): Promise<void> {
    if (!this.#waits || !process.connected) return;
    const sent = Promise.withResolvers<Error | null>();
    process.send?.(message, sent.resolve);
    // If the message cannot be sent, the foreground process has ended; `gone` handles that.
    if ((await sent.promise) !== null) return;
    this.#waits = false;
    if (process.connected) process.disconnect?.();
  }
}

/**
 * Starts this process's own command line in the background and waits until its interface is up.
 * If this throws, the background process has ended.
 * @throws the error of the background process; {StartInterrupted} {NotDetached} {TookTooLong}
 */
export const detach = async (what: string, log: BackgroundLog, stop: Stop): Promise<{ pid: number; up: UpEvent }> => {
  const { execPath, execArgv, argv, env } = process;
  const child = spawn(execPath, [...execArgv, ...argv.slice(1)], {
    detached: true,
    stdio: ["ignore", log.output, log.output, "ipc"],
    env: { ...env, [IN_BACKGROUND]: "1", ...RESTARTED_ENVIRONMENT },
  });
  let received: ParentMessage | undefined;
  const isUp = new Promise<void>((resolve) => {
    child.once("message", (message: ParentMessage) => {
      received = message;
      if ("up" in message) resolve();
    });
  });
  // The last message may arrive after the process has ended, but before the channel ends.
  const ended = Promise.all([once(child, "exit"), once(child, "disconnect")]);
  void stop.asked.then(() => child.connected && child.disconnect());
  try {
    await within(Promise.race([isUp, ended]), `starting ${what}`, START_MILLIS);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  if (received !== undefined && "up" in received) {
    if (child.connected) child.disconnect();
    child.unref();
    return { pid: child.pid!, up: received.up };
  }
  if (stop.signal.aborted) throw new StartInterrupted(what);
  if (received !== undefined) throw new ThreadFailure(received.error);
  throw new NotDetached(child.signalCode ?? `exit code ${child.exitCode}`, log.reader);
};
