/**
 * Named network namespaces, for command-line programs. A namespace is removed, and all processes in it are ended, when
 * it is disposed.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { HostBackground } from "./background.ts";
import { answered } from "./echoes.ts";
import { LIMIT_MILLIS } from "./eventually.ts";

const execute = promisify(execFile);
const OUTPUT_LIMIT = 1 << 28;
/** Time limit for programs that compute for a while. */
const RUN_LIMIT_MILLIS = 6 * LIMIT_MILLIS;

/** Runs a program and returns its output. @throws {Error} unless its exit code is 0 */
export const run = async (program: string, ...args: readonly string[]): Promise<string> =>
  (await execute(program, args, { maxBuffer: OUTPUT_LIMIT, timeout: RUN_LIMIT_MILLIS })).stdout;

/** Starts a program, which ends with this process at the latest. The caller owns it. */
export const start = (program: string, ...args: readonly string[]): HostBackground =>
  new HostBackground(["setpriv", "--pdeathsig", "KILL", program, ...args], process.env);

export class NamedNamespace implements AsyncDisposable {
  readonly name: string;

  private constructor(name: string) {
    this.name = name;
  }

  /** Creates a namespace, which needs root. @throws {Error} */
  static async create(name: string): Promise<NamedNamespace> {
    await run("ip", "netns", "add", name);
    return new NamedNamespace(name);
  }

  /** Runs a program in the namespace and returns its output. @throws {Error} unless its exit code is 0 */
  run(program: string, ...args: readonly string[]): Promise<string> {
    return run("ip", "netns", "exec", this.name, program, ...args);
  }

  /** Starts a program in the namespace. The caller owns it. */
  start(program: string, ...args: readonly string[]): HostBackground {
    return start("ip", "netns", "exec", this.name, program, ...args);
  }

  /** Moves an interface of this process's namespace into the named one, gives it an address, and sets it up. */
  async take(device: string, address: string): Promise<void> {
    await run("ip", "link", "set", device, "netns", this.name);
    await run("ip", "-n", this.name, "address", "add", address, "dev", device);
    await run("ip", "-n", this.name, "link", "set", device, "up");
  }

  /** @throws {Error} if processes were left in the namespace */
  async [Symbol.asyncDispose](): Promise<void> {
    const left = (await run("ip", "netns", "pids", this.name)).split("\n").filter((pid) => pid !== "");
    for (const pid of left) process.kill(Number(pid), "SIGKILL");
    await run("ip", "netns", "del", this.name);
    if (left.length > 0) throw new Error(`processes were left in the namespace ${this.name}: ${left.join(", ")}`);
  }
}

/**
 * Sends rounds of pings from a namespace, with these arguments, until all pings of a round are answered. @throws
 * {AssertionError}
 */
export const pings = (from: NamedNamespace, args: string): Promise<void> =>
  answered((command) => from.run("sh", "-c", `${command} 2>&1 || true`), args);
