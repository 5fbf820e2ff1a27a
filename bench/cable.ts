/** Two network namespaces with a path between them, on which iperf3 and ping measure. */
import { Child, run, type Limits } from "./child.ts";

/** A program that carries frames between two TAPs that it creates. */
export interface Mover {
  readonly name: string;
  /** The command that creates both TAPs and carries frames between them until SIGTERM. */
  command(near: string, far: string): readonly string[];
}

const SETUP_LIMIT_MS = 20_000;
const COMMAND_LIMIT_MS = 10_000;
const NEAR_ADDRESS = "10.213.77.1";
const FAR_ADDRESS = "10.213.77.2";

export interface Transfer {
  readonly gigabitsPerSecond: number;
  readonly retransmits: number;
}

interface IperfReport {
  readonly end: {
    readonly sum_sent: { readonly retransmits: number };
    readonly sum_received: { readonly bits_per_second: number };
  };
}

/**
 * A path under test, whose interfaces have addresses and are up. Disposing of the path ends its program and removes its
 * namespaces.
 */
export class Cable implements AsyncDisposable {
  readonly #scope: AsyncDisposableStack;
  readonly #near: string;
  readonly #far: string;
  readonly #stop: AbortSignal;

  private constructor(scope: AsyncDisposableStack, near: string, far: string, stop: AbortSignal) {
    this.#scope = scope;
    this.#near = near;
    this.#far = far;
    this.#stop = stop;
  }

  /** Namespaces and interfaces are named after this process, so that runs do not collide. */
  static async open(mover: Mover, stop: AbortSignal): Promise<Cable> {
    await using scope = new AsyncDisposableStack();
    const limits: Limits = { limitMs: COMMAND_LIMIT_MS, stop };
    const ends = [
      { name: `fb${process.pid}a`, address: NEAR_ADDRESS },
      { name: `fb${process.pid}b`, address: FAR_ADDRESS },
    ] as const;
    for (const { name } of ends) {
      await run(["ip", "netns", "add", name], limits);
      // This signal is never aborted, because clean-up must work even after `stop` was aborted.
      const never = new AbortController().signal;
      scope.defer(async () => void (await run(["ip", "netns", "del", name], { ...limits, stop: never })));
    }
    const child = scope.use(new Child(mover.command(ends[0].name, ends[1].name)));
    const setup = { limitMs: SETUP_LIMIT_MS, stop };
    for (const { name, address } of ends) {
      await child.until(`interface ${name}`, () => exists(name, limits), setup);
      await run(["ip", "link", "set", name, "netns", name], limits);
      await run(["ip", "-n", name, "address", "add", `${address}/24`, "dev", name], limits);
      await run(["ip", "-n", name, "link", "set", name, "up"], limits);
    }
    const cable = new Cable(scope.move(), ends[0].name, ends[1].name, stop);
    try {
      await child.until("a reply to ping", () => cable.#answers(), setup);
    } catch (error) {
      await cable[Symbol.asyncDispose]();
      throw error;
    }
    return cable;
  }

  /**
   * Transfers data over TCP through the path for `seconds`, after one second that is not counted (slow start,
   * compilation).
   * @param control how the kernel controls congestion: "cubic", "bbr", …
   */
  async transfer(direction: "out" | "back", seconds: number, control: string): Promise<Transfer> {
    await using server = new Child(inside(this.#far, ["iperf3", "-s", "-1", "--forceflush"]));
    await server.until("iperf3 to listen", (s) => s.output.includes("listening"), this.#limits(COMMAND_LIMIT_MS));
    const reverse = direction === "back" ? ["-R"] : [];
    const client = ["iperf3", "-c", FAR_ADDRESS, "-t", String(seconds), "-O", "1", "-C", control, "-J", ...reverse];
    const report = JSON.parse(
      await run(inside(this.#near, client), this.#limits((seconds + 20) * 1000)),
    ) as IperfReport;
    return {
      gigabitsPerSecond: report.end.sum_received.bits_per_second / 1e9,
      retransmits: report.end.sum_sent.retransmits,
    };
  }

  /** Round-trip times of `count` pings, 2 ms apart, in microseconds. Lost pings are omitted. */
  async ping(count: number): Promise<number[]> {
    const ping = ["ping", "-n", "-i", "0.002", "-W", "1", "-c", String(count), FAR_ADDRESS];
    const text = await run(inside(this.#near, ping), this.#limits(COMMAND_LIMIT_MS + 20 * count));
    return [...text.matchAll(/ time=([\d.]+) ms/g)].map((match) => Number(match[1]) * 1000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }

  #limits(limitMs: number): Limits {
    return { limitMs, stop: this.#stop };
  }

  async #answers(): Promise<boolean> {
    return await succeeds(inside(this.#near, ["ping", "-c", "1", "-W", "1", FAR_ADDRESS]), this.#limits(3_000));
  }
}

const inside = (namespace: string, command: readonly string[]): string[] => [
  "ip",
  "netns",
  "exec",
  namespace,
  ...command,
];

const succeeds = async (command: readonly string[], limits: Limits): Promise<boolean> => {
  try {
    await run(command, limits);
    return true;
  } catch {
    limits.stop.throwIfAborted();
    return false;
  }
};

const exists = (name: string, limits: Limits): Promise<boolean> =>
  succeeds(["ip", "link", "show", "dev", name], limits);
