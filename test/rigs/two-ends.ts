/** Two network namespaces with a NIC between them: `ferrule up` of a model, and a TAP at the far end of its wire. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const BIN = fileURLToPath(new URL("../../bin/ferrule.mjs", import.meta.url));
const LIMIT_MILLIS = 20_000;
const ENDED_LIMIT_MILLIS = 300_000;

const run = promisify(execFile);

/** Runs `ip` with these arguments; returns its output. @throws {Error} if it fails */
export const ip = async (words: string): Promise<string> => {
  const { stdout } = await run("ip", words.split(" "), { timeout: LIMIT_MILLIS });
  return stdout;
};

/**
 * A program that runs in a network namespace, and its output. When disposed, it is ended by SIGTERM, or by SIGKILL if
 * it still runs after 10 s.
 */
export class Running implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exit: Promise<void>;
  output = "";

  constructor(command: readonly [string, ...string[]]) {
    const [program, ...args] = command;
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#exit = new Promise((resolve) => this.#child.once("close", () => resolve()));
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
  }

  static in(namespace: string, ...command: readonly string[]): Running {
    return new Running(["ip", "netns", "exec", namespace, ...command]);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  write(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** Waits until the process's output matches the pattern. Returns the match. */
  async waitFor(pattern: RegExp, limitMillis = LIMIT_MILLIS): Promise<RegExpMatchArray> {
    const end = performance.now() + limitMillis;
    for (;;) {
      const match = this.output.match(pattern);
      if (match !== null) return match;
      const { exitCode, signalCode } = this.#child;
      if (exitCode !== null || signalCode !== null || performance.now() > end)
        throw new Error(`no output matched ${pattern}: ${this.output}`);
      await sleep(5);
    }
  }

  /** Resolves with all output once the program has ended by itself. @throws {Error} if it has not ended in time */
  async ended(limitMillis = ENDED_LIMIT_MILLIS): Promise<string> {
    const late = globalThis.setTimeout(() => this.#child.kill("SIGKILL"), limitMillis);
    await this.#exit;
    clearTimeout(late);
    if (this.#child.signalCode === "SIGKILL") throw new Error(`still running after ${limitMillis} ms: ${this.output}`);
    return this.output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    const killed = globalThis.setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    await this.#exit;
    clearTimeout(killed);
  }
}

export interface TwoEnds extends AsyncDisposable {
  /** Name of the host's namespace. */
  readonly near: string;
  /** Name of the far end's namespace. */
  readonly far: string;
  /** Name of a third namespace, which is empty. */
  readonly third: string;
  /** Name of the near interface before a test renames it. */
  readonly host: string;
  /** Name of the far end's interface. */
  readonly wire: string;
  readonly ferrule: Running;
}

let made = 0;

/** The near interface's address. It is fixed, so that IPv6 joins the same groups each time. */
export const NEAR_MAC = "02:00:5e:10:00:01";

/** Starts `ferrule up`. Its interfaces are then up in their namespaces, without configured IP addresses. */
export const openTwoEnds = async (...options: readonly string[]): Promise<TwoEnds> => {
  await using scope = new AsyncDisposableStack();
  const number = `${process.pid % 100_000}-${made++}`;
  const [near, far, third] = ["a", "b", "c"].map((letter) => `fe-${letter}-${number}`) as [string, string, string];
  for (const namespace of [near, far, third]) {
    await ip(`netns add ${namespace}`);
    scope.defer(async () => void (await ip(`netns del ${namespace}`)));
  }
  const host = `fe${number}`;
  const wire = `fw${number}`;
  const ferrule = scope.use(
    Running.in(
      near,
      process.execPath,
      BIN,
      "up",
      "model:rtl8168h",
      "--name",
      host,
      "--wire",
      `tap:${wire}`,
      "--json",
      ...options,
    ),
  );
  await ferrule.waitFor(/"carrier"/);
  await ip(`-n ${near} link set ${wire} netns ${far}`);
  await ip(`-n ${near} link set ${host} address ${NEAR_MAC} up`);
  await ip(`-n ${far} link set ${wire} up`);
  const whole = scope.move();
  return { near, far, third, host, wire, ferrule, [Symbol.asyncDispose]: () => whole.disposeAsync() };
};
