/**
 * Controls the device process: sends commands and reads the replies. When that process ends, so do all drivers that it
 * started.
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { FerruleError } from "#kit/errors.ts";
import { giveOwnSession, withPrecedence } from "../precedence.ts";
import type { Load } from "./layout.ts";

/** Time limit of a command. The slowest command takes less than a tenth of it. */
const LIMIT_MS = 60_000;
/** Number of characters of the drivers' output that are kept, to explain a failure. */
const TAIL_BYTES = 2000;

/**
 * A driver exited, did not respond, or posted an invalid descriptor; or the device process cannot run here, exited or did
 * not reply.
 */
export class ComparisonFailed extends FerruleError {
  readonly code = "COMPARISON_FAILED";
  readonly hint = "The measurement is discarded. Run again; --peer selects the drivers.";
}

/** The result of one driver in one measurement window. Times are in ns. */
export interface Window {
  readonly peer: number;
  readonly ns: number;
  /** Time in which the device process was not running on a processor; not included in `ns`. */
  readonly stalled: number;
  /** Processor time of the driver's process. */
  readonly cpu: number;
  readonly frames: number;
  /** Number of frames that a line of limited rate delivered while no receive buffer was posted. */
  readonly missed: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
  /** Number of frames that were returned with wrong contents. */
  readonly damaged: number;
  readonly collections: number;
}

export interface LatencyWindow extends Window {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export interface Times {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
  readonly frames: number;
  readonly bins: readonly (readonly [ns: number, count: number])[];
}

/** The chip whose rings and registers a driver uses. */
export type Chip = "8168" | "8125";

export interface Task {
  readonly load: Load;
  /** Line rate in Mbit/s. */
  readonly rate: number | "saturated";
  /** Frame length in bytes with FCS, or "mix" for a mix of lengths. */
  readonly bytes: number | "mix";
  readonly batch: number;
}

export class Device implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #answers: AsyncIterator<string>;
  readonly #stop: AbortSignal;
  readonly #abort = (): void => void this.#child.kill("SIGKILL");
  #errors = "";

  /** @param program the compiled bench/c/device.c; aborting `stop` kills the device and its drivers */
  constructor(program: string, env: NodeJS.ProcessEnv, stop: AbortSignal) {
    this.#child = spawn(program, [], { ...giveOwnSession, env, stdio: ["pipe", "pipe", "pipe"] });
    withPrecedence(this.#child);
    // Errors of this stream need no handling: if the device fails, its replies end.
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-TAIL_BYTES);
    });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#stop = stop;
    stop.addEventListener("abort", this.#abort);
  }

  /** Process id of the device. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  async #command(...fields: readonly (string | number)[]): Promise<unknown> {
    this.#stop.throwIfAborted();
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      this.#child.kill("SIGKILL");
    }, LIMIT_MS);
    this.#child.stdin.write(`${fields.join("\t")}\n`);
    const { value, done } = await this.#answers.next();
    clearTimeout(limit);
    this.#stop.throwIfAborted();
    const errors = this.#errors.trim();
    const context = errors === "" ? "" : `\n${errors}`;
    if (late) throw new ComparisonFailed(`the device did not answer within ${LIMIT_MS / 1000} s${context}`);
    if (done === true) throw new ComparisonFailed(`the device process ended${context}`);
    const answer = parsed(value);
    if (typeof answer === "object" && answer !== null && "error" in answer)
      throw new ComparisonFailed(`${String(answer.error)}${context}`);
    return answer;
  }

  /**
   * Starts a driver on region `index`; the driver gets that number as its last argument. Waits until the driver is up,
   * and returns its process id.
   */
  async start(index: number, name: string, command: readonly string[], chip: Chip = "8168"): Promise<number> {
    const answer = (await this.#command("spawn", index, name, chip, ...command, index)) as { readonly pid: number };
    return answer.pid;
  }

  /** Ends a driver. */
  async end(index: number): Promise<void> {
    await this.#command("end", index);
  }

  /** Runs one measurement window for each driver in turn. */
  async windows({ load, rate, bytes, batch }: Task, us: number, indices: readonly number[]): Promise<Window[]> {
    const mbit = rate === "saturated" ? 0 : rate;
    return (await this.#command("window", load, mbit, sizeOf(bytes), batch, us, ...indices)) as Window[];
  }

  /** Runs one measurement window of requests and responses for each driver in turn. */
  async latencies(bytes: number, us: number, indices: readonly number[]): Promise<LatencyWindow[]> {
    return (await this.#command("latency", bytes, us, ...indices)) as LatencyWindow[];
  }

  /** The times of all requests of a driver since the last call. */
  async times(index: number): Promise<Times> {
    return (await this.#command("histogram", index)) as Times;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.removeEventListener("abort", this.#abort);
    if (this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

const sizeOf = (bytes: number | "mix"): number => (bytes === "mix" ? 0 : bytes);

/** Parses a reply. If the device failed while it wrote the reply, the error follows in the same line. */
const parsed = (line: string): unknown => {
  const error = line.indexOf('{"error"');
  return JSON.parse(error > 0 ? line.slice(error) : line);
};
