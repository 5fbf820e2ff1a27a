/**
 * The machine at the other end of the cable: a network namespace with this host's network stack and Debian's programs.
 * Needs root or permission to create user namespaces.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { LIMIT_MILLIS } from "../rigs/eventually.ts";
import { type Background, HostBackground } from "../rigs/background.ts";
import { toolPath } from "./parts.ts";

const OUTPUT_LIMIT = 64 << 20;

export interface FarRan {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs commands at the other end of the cable. */
export interface Far {
  /** Runs a shell command at the far end. Resolves with any exit code; 124 means a time-out. */
  run(command: string, limitMillis?: number): Promise<FarRan>;
  /** Runs a command and returns its output. @throws {Error} if it fails */
  mustRun(command: string, limitMillis?: number): Promise<string>;
  /** Starts a shell command in the background. The caller owns it. @throws {Error} */
  start(command: string): Promise<Background>;
}

/**
 * Returns the command line of a process, or the name of its network namespace; "" if the process has ended meanwhile.
 */
const read = (pid: string, what: "cmdline" | "netns"): string => {
  try {
    if (what === "netns") return readlinkSync(`/proc/${pid}/ns/net`);
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
};

export class FarEnd implements Far, AsyncDisposable {
  /**
   * A process that holds the namespace until the pipe to its standard input is closed, at the latest when this process
   * ends.
   */
  readonly #holder: ChildProcess;
  readonly #enter: readonly string[];
  readonly #environment: NodeJS.ProcessEnv;

  private constructor(holder: ChildProcess, enter: readonly string[]) {
    this.#holder = holder;
    this.#enter = enter;
    this.#environment = { ...process.env, PATH: `${toolPath()}:${process.env["PATH"]}:/usr/sbin:/sbin`, LC_ALL: "C" };
  }

  /** @throws {Error} if no namespace can be created */
  static async open(): Promise<FarEnd> {
    const root = process.getuid?.() === 0;
    const user = root ? [] : ["--user", "--map-root-user"];
    const holder = spawn("unshare", [...user, "--net", "--", "sh", "-c", "echo made; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [word] = (await Promise.race([once(holder.stdout, "data"), once(holder, "close")])) as [unknown];
    if (!String(word).startsWith("made")) throw new Error("a network namespace cannot be created: try as root");
    const enter = [
      ...(root ? [] : ["--user", "--preserve-credentials"]),
      "--net",
      "--target",
      String(holder.pid),
      "--",
    ];
    const far = new FarEnd(holder, enter);
    await far.mustRun(
      "ip link set lo up; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/default/router_solicitations",
    );
    return far;
  }

  /** A command line that runs a program in the namespace; the program ends with this process. */
  command(program: string, ...args: readonly string[]): readonly [string, ...string[]] {
    return ["setpriv", "--pdeathsig", "KILL", "nsenter", ...this.#enter, program, ...args];
  }

  get environment(): NodeJS.ProcessEnv {
    return this.#environment;
  }

  /** Runs a shell command in the namespace. Resolves with any exit code; 124 means a time-out. */
  async run(command: string, limitMillis = LIMIT_MILLIS): Promise<FarRan> {
    const [program, ...args] = this.command("timeout", "-k", "1", String(limitMillis / 1000), "sh", "-c", command);
    const { promise, resolve } = Promise.withResolvers<FarRan>();
    execFile(
      program,
      args,
      { env: this.#environment, maxBuffer: OUTPUT_LIMIT, timeout: limitMillis + 5000, killSignal: "SIGKILL" },
      (error, stdout, stderr) =>
        resolve({ exit: error === null ? 0 : typeof error.code === "number" ? error.code : 124, stdout, stderr }),
    );
    return promise;
  }

  /** Runs a command and returns its output. @throws {Error} if it fails */
  async mustRun(command: string, limitMillis = LIMIT_MILLIS): Promise<string> {
    const { exit, stdout, stderr } = await this.run(command, limitMillis);
    if (exit !== 0) throw new Error(`at the far end, ${command} ended with ${exit}:\n${stderr}${stdout}`);
    return stdout;
  }

  start(command: string): Promise<Background> {
    return Promise.resolve(new HostBackground(this.command("sh", "-c", command), this.#environment));
  }

  /** Processes in the namespace with their command lines, except the one that holds it. */
  get processes(): ReadonlyMap<number, string> {
    const own = read(String(this.#holder.pid), "netns");
    const inside = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && own !== "" && read(pid, "netns") === own);
    return new Map(
      inside.filter((pid) => Number(pid) !== this.#holder.pid).map((pid) => [Number(pid), read(pid, "cmdline")]),
    );
  }

  /** Names of the namespace's interfaces. */
  get interfaces(): readonly string[] {
    const text = readFileSync(`/proc/${this.#holder.pid}/net/dev`, "utf8");
    return [...text.matchAll(/^\s*([^\s:|]+):/gm)].map(([, name]) => name!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const closed = once(this.#holder, "close");
    this.#holder.stdin!.end();
    await closed;
  }
}
