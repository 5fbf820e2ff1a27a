/** Compiles the C programs into a scratch directory, and runs them one round at a time. */
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { CannotMeasure } from "./bench.ts";
import { giveOwnSession, withPrecedence } from "./precedence.ts";

const CC = process.env["CC"] ?? "gcc";
export const FLAGS: readonly string[] = ["-O3", "-march=native", "-Wall", "-Wextra", "-pthread"];
/** Time limit of a round. The slowest round takes less than a tenth of it. */
const ROUND_LIMIT_MS = 20_000;

const isMissing = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT";

/** The first line that the compiler prints for `--version`; undefined if there is no compiler. */
export const compilerVersion = async (): Promise<string | undefined> => {
  try {
    return (await promisify(execFile)(CC, ["--version"])).stdout.split("\n", 1)[0];
  } catch {
    return undefined;
  }
};

/** Compiler options for a program that runs on any x86-64 machine, whatever libraries it has. */
export const PORTABLE: readonly string[] = ["-O2", "-Wall", "-Wextra", "-static", "-s"];

/**
 * Compiles bench/c/NAME.c and returns the program's path.
 * @param libraries options that follow the file's name
 * @throws {CannotMeasure} without a C compiler.
 */
export const compile = async (
  scratch: string,
  name: string,
  flags: readonly string[] = FLAGS,
  libraries: readonly string[] = [],
): Promise<string> => {
  const program = join(scratch, name);
  try {
    await promisify(execFile)(CC, [...flags, "-o", program, join(import.meta.dirname, "c", `${name}.c`), ...libraries]);
  } catch (cause) {
    if (!isMissing(cause)) throw cause;
    throw new CannotMeasure(
      `no C compiler: ${CC} was not found`,
      "sudo apt-get install gcc libc6-dev, or name another compiler in CC.",
    );
  }
  return program;
};

/** One round, as the program reports it. Times are in nanoseconds per unit of work. */
export interface Round {
  readonly median: number;
  /** The result of the work, in benches in which both sides must have the same result. */
  readonly result?: number;
}

/**
 * A running program that executes rounds on request. It ends when its input is closed, so it also ends when this
 * process does.
 */
export class Rounds implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string, args: readonly string[] = ["--paired"], env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(program, args, { ...giveOwnSession, env, stdio: ["pipe", "pipe", "inherit"] });
    withPrecedence(this.#child);
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Executes one round. @throws {Error} if the program ends, or needs more than `ROUND_LIMIT_MS` and is killed. */
  async round(name: string, a: number, b: number): Promise<Round> {
    this.#child.stdin.write(`go ${name} ${a} ${b}\n`);
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), ROUND_LIMIT_MS);
    const line = await this.#lines.next();
    clearTimeout(limit);
    if (line.done) throw new Error(`the program ended instead of doing a round of ${name} ${a} ${b}`);
    return JSON.parse(line.value) as Round;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin.end();
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), ROUND_LIMIT_MS);
    await once(this.#child, "exit");
    clearTimeout(limit);
  }
}
