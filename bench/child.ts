/** Child processes of benches. Every wait for one has a time limit, and a process is ended only by its process id. */
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

export interface Limits {
  readonly limitMs: number;
  /** Aborting this signal ends the program early. */
  readonly stop: AbortSignal;
}

/** Runs a program to its end and returns its stdout. @throws if it fails, or does not end in time. */
export const run = async (command: readonly string[], { limitMs, stop }: Limits): Promise<string> => {
  const [program, ...rest] = command;
  const options = { timeout: limitMs, signal: stop, maxBuffer: 2 ** 26 };
  return (await promisify(execFile)(program!, rest, options)).stdout;
};

/** The time that a program has to end after SIGTERM. A program that still runs afterwards is killed. */
const GRACE_MS = 8_000;
/** Number of characters of output that are kept, to explain a failure. */
const TAIL_BYTES = 4_000;

/** A program that runs until it is disposed of. */
export class Child implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #name: string;
  #output = "";

  constructor(command: readonly string[]) {
    const [program, ...rest] = command;
    this.#name = command.join(" ");
    this.#child = spawn(program!, rest, { stdio: ["ignore", "pipe", "pipe"] });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-TAIL_BYTES);
    };
    this.#child.stdout.on("data", keep);
    this.#child.stderr.on("data", keep);
    this.#child.on("error", (error) => keep(Buffer.from(error.message)));
  }

  get ended(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** @throws {Error} if the program did not start */
  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error(`${this.#name} did not start`);
    return pid;
  }

  /** The last `TAIL_BYTES` characters of the program's output. */
  get output(): string {
    return this.#output;
  }

  /**
   * Waits until `ready` returns true, which is checked ten times a second.
   * @throws if the program ends first, at the time limit, or if `stop` is aborted.
   */
  async until(
    what: string,
    ready: (child: Child) => boolean | Promise<boolean>,
    { limitMs, stop }: Limits,
  ): Promise<void> {
    const end = performance.now() + limitMs;
    while (!(await ready(this))) {
      stop.throwIfAborted();
      const why = this.ended ? "it ended" : performance.now() > end ? `not ready after ${limitMs / 1000} s` : undefined;
      if (why !== undefined)
        throw new Error(`${this.#name}: waiting for ${what}: ${why}; output: ${this.#output.trim()}`);
      await sleep(100);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ended) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    const kill = setTimeout(() => this.#child.kill("SIGKILL"), GRACE_MS);
    await exit;
    clearTimeout(kill);
  }
}
