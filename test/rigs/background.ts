/** Background processes, ended when disposed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, LIMIT_MILLIS } from "./eventually.ts";

export interface Background extends AsyncDisposable {
  /** Resolves when the process's output matches, with all output so far. @throws {Error} */
  waitFor(pattern: RegExp): Promise<string>;
  /** Ends the process with all its children; returns its output. */
  stop(signal?: "INT" | "TERM" | "KILL"): Promise<string>;
}

/** Time that a process has to end after the signal of `stop`, before it is killed. */
export const GRACE_SECONDS = 60;

/** A process on this host. The command line has to ensure that the process ends when this one does. */
export class HostBackground implements Background {
  readonly #child: ChildProcess;
  readonly #closed: Promise<readonly [code: number | null]>;
  #output = "";

  constructor([program, ...args]: readonly [string, ...string[]], env: NodeJS.ProcessEnv) {
    // The child is in a process group of its own, which can be ended as a whole.
    this.#child = spawn(program, args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    this.#closed = once(this.#child, "close") as Promise<[number | null]>;
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
  }

  /** The process's output so far. */
  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Resolves when the process has ended by itself, with its exit code; null if a signal ended it. @throws {Error} if it
   * does not end within `LIMIT_MILLIS`
   */
  async ended(): Promise<number | null> {
    const late = sleep(LIMIT_MILLIS, undefined, { ref: false }).then(() => {
      throw new Error(`the process did not end: ${this.#output}`);
    });
    const [code] = await Promise.race([this.#closed, late]);
    return code;
  }

  waitFor(pattern: RegExp): Promise<string> {
    return eventually(
      () => `${pattern} in ${this.#output}`,
      () => {
        if (pattern.test(this.#output)) return this.#output;
        if (!this.running) throw new Error(`the process ended before its output matched ${pattern}: ${this.#output}`);
        return undefined;
      },
    );
  }

  async stop(signal = "TERM"): Promise<string> {
    this.#kill(`SIG${signal}` as NodeJS.Signals);
    await Promise.race([this.#closed, sleep(GRACE_SECONDS * 1000, undefined, { ref: false })]);
    this.#kill("SIGKILL");
    await Promise.race([this.#closed, sleep(LIMIT_MILLIS, undefined, { ref: false })]);
    return this.#output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #kill(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.#child.pid!, signal);
    } catch {
      // All processes of the group have ended.
    }
  }
}
