/**
 * Runs the program that measures, and in a checkout also the program that counts. In a package, the counts are in a
 * file.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { FerruleError } from "#kit/errors.ts";
import { parseFacts, parseMeasurement } from "./read-comparison.ts";
import type { Comparison, Facts } from "./result.ts";

const IS_CHECKOUT = import.meta.url.endsWith(".ts");
/** The root of the checkout, or the package's `dist`. */
const ROOT = fileURLToPath(new URL(IS_CHECKOUT ? "../../.." : "../..", import.meta.url));
const PROGRAM = join(ROOT, "bench/compare", IS_CHECKOUT ? "main.ts" : "main.js");
const FACTS = join(ROOT, IS_CHECKOUT ? "package/facts.ts" : "facts.json");

/** Time limit of a program in ms. A comparison takes a few minutes. */
const LIMIT = 30 * 60_000;
/** Time limit in ms for a program to end after SIGTERM. */
const GRACE = 10_000;
/** Number of lines of progress that are kept to explain a failure. */
const TAIL = 5;

/** The measuring program failed. */
export class NotMeasured extends FerruleError {
  readonly code = "NOT_MEASURED";
  readonly hint: string;
  /** @param lines the last lines that the program printed, which contain the failure and a hint */
  constructor(what: string, lines: readonly string[]) {
    const hint = lines.findLast((line) => line.startsWith("hint: "));
    const last = lines.findLast((line) => line !== hint);
    super(`the measurement ${what}${last === undefined ? "" : `: ${last.replace(/^compare: /, "")}`}`);
    this.hint = hint?.slice("hint: ".length) ?? "`ferrule doctor` reports what this machine lacks.";
  }
}

export interface Request {
  readonly quick: boolean;
  /** Called with each line of progress. */
  readonly say: (line: string) => void;
  readonly stop: AbortSignal;
}

const NODE = [...process.execArgv, "--disable-warning=ExperimentalWarning"];

/** A program in a process group of its own. Disposing ends it with all its children. */
class Group implements AsyncDisposable {
  readonly #child;
  readonly exit: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [...NODE, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      // This variable makes the program end if this process is killed.
      env: { ...process.env, FERRULE_PARENT: String(process.pid) },
    });
    this.exit = once(this.#child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
    // Errors are reported where the exit is awaited. This handler only keeps Node from treating them as unhandled.
    this.exit.catch(() => undefined);
  }

  get stdout() {
    return this.#child.stdout;
  }

  get stderr() {
    return this.#child.stderr;
  }

  #signal(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    try {
      if (pid !== undefined) process.kill(-pid, signal);
    } catch {
      // All processes of the group have ended.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      this.#signal("SIGTERM");
      const timer = setTimeout(() => this.#signal("SIGKILL"), GRACE);
      await this.exit.catch(() => undefined);
      clearTimeout(timer);
    }
    this.#signal("SIGKILL");
  }
}

/** Runs a program to its end, and returns its output. @throws {NotMeasured}; if `stop` is aborted, its reason */
const run = async (args: readonly string[], { say, stop }: Pick<Request, "say" | "stop">): Promise<string> => {
  stop.throwIfAborted();
  await using group = new Group(args);
  const lines: string[] = [];
  createInterface(group.stderr).on("line", (line) => {
    lines.push(line);
    if (lines.length > TAIL) lines.shift();
    say(line);
  });
  const printed: Buffer[] = [];
  group.stdout.on("data", (chunk: Buffer) => printed.push(chunk));
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const interrupt = (): void => reject(stop.reason as Error);
  stop.addEventListener("abort", interrupt);
  const timer = setTimeout(() => reject(new NotMeasured(`took more than ${LIMIT / 60_000} minutes`, lines)), LIMIT);
  try {
    const [code, signal] = await Promise.race([group.exit, ended]);
    if (code !== 0) throw new NotMeasured(`failed (${signal ?? `exit code ${code}`})`, lines);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", interrupt);
  }
  return Buffer.concat(printed).toString();
};

/**
 * The figures that are counted in the sources. In a checkout they are counted now; in a package they were counted when
 * it was built.
 */
const readFacts = async (stop: AbortSignal): Promise<Facts> =>
  parseFacts(IS_CHECKOUT ? await run([FACTS], { say: () => undefined, stop }) : readFileSync(FACTS, "utf8"), FACTS);

/**
 * Measures and counts. Takes a few minutes; with `quick`, about one minute.
 * @throws {NotMeasured}; {NotAComparison} if the program's output is invalid; if `stop` is aborted, its reason
 */
export const measure = async ({ quick, say, stop }: Request): Promise<Comparison> => {
  using scope = new DisposableStack();
  const folder = scope.adopt(mkdtempSync(join(tmpdir(), "ferrule-compare-")), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const file = join(folder, "measured.json");
  await run([PROGRAM, "--json", file, ...(quick ? ["--quick"] : [])], { say, stop });
  return { ...parseMeasurement(readFileSync(file, "utf8"), file), facts: await readFacts(stop) };
};
