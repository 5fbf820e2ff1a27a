/** A NIC for a guest: `ferrule model serve` in the far end's namespace, with its control operations. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { requestServer } from "#app/control/serve-control.ts";
import type { OffenceReport } from "#app/serve/serve-messages.ts";
import type { ServeRequest, ServeState } from "#app/serve/requests.ts";
import { eventually } from "../rigs/eventually.ts";
import type { FarEnd } from "./far-end.ts";

const ENTRY = fileURLToPath(new URL("../../src/app/cli/entry.ts", import.meta.url));
const END_LIMIT = 60_000;

export interface NicOptions {
  readonly chip: string;
  /** Path of the NIC's socket, in a folder of the rig. */
  readonly socket: string;
  /** The far end of the cable. */
  readonly wire: string;
  readonly mac?: string | undefined;
  /** A pcapng file that records every frame on the wire. */
  readonly capture?: string | undefined;
  /** A file that records every register access. */
  readonly trace?: string | undefined;
  /** More arguments for `ferrule model serve`. */
  readonly more?: readonly string[] | undefined;
}

export class Nic implements AsyncDisposable {
  readonly socket: string;
  readonly #process: ChildProcess;
  #output = "";
  /** Whether the link partner was changed. */
  #otherPartner = false;

  private constructor(child: ChildProcess, socket: string) {
    this.socket = socket;
    this.#process = child;
    const listen = (chunk: Buffer): void => void (this.#output += chunk.toString());
    child.stdout!.on("data", listen);
    child.stderr!.on("data", listen);
  }

  /**
   * Starts a server; resolves when QEMU may connect. @param far the far end in whose namespace the server runs;
   * undefined: this process's namespace @throws {Error} with the server's output if it does not start
   */
  static async serve(far: FarEnd | undefined, options: NicOptions): Promise<Nic> {
    const { more = [], ...settings } = options;
    const words = Object.entries(settings).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${name}`, value],
    );
    const node = [
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      ENTRY,
      "model",
      "serve",
      "--json",
      ...words,
      ...more,
    ];
    const [program, ...args] = far?.command(node[0]!, ...node.slice(1)) ?? ["setpriv", "--pdeathsig", "KILL", ...node];
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const nic = new Nic(child, options.socket);
    try {
      await eventually(
        () => `the start of ferrule model serve:\n${nic.output}`,
        () => {
          if (child.exitCode !== null) throw new Error(`ferrule model serve did not start:\n${nic.output}`);
          return nic.state().catch(() => undefined);
        },
        50,
      );
      return nic;
    } catch (error) {
      await nic[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The server's output so far, one event per line. */
  get output(): string {
    return this.#output;
  }

  /** The driver's offences, each with the register accesses that led to it. */
  get offences(): readonly string[] {
    return this.#output
      .split("\n")
      .filter((line) => line.startsWith('{"event":"offence"'))
      .map((line) => {
        const { offence } = JSON.parse(line) as { offence: OffenceReport };
        return `${offence.name} at 0x${offence.where.toString(16)}: ${offence.trace.slice(-4).join("; ")}`;
      });
  }

  /** Number of frames injected by command. The NIC counts them, but they are neither on the wire nor in a capture. */
  injected = 0;

  /** @throws the server's error */
  ask(request: ServeRequest): Promise<object> {
    if (request.command === "send" || request.command === "magic") this.injected++;
    if (request.command === "partner") this.#otherPartner = Object.keys(request.abilities).length > 0;
    return requestServer(this.socket, request);
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Resets cable, link partner, wire and faults. Returns whether anything had been changed. */
  async restore(): Promise<boolean> {
    const { cable, wire, faults } = await this.state();
    const impaired = [wire.in, wire.out].some(({ armed }) => Object.keys(armed).length > 0);
    if (faults.length > 0) await this.ask({ command: "clearFault" });
    if (impaired) await this.ask({ command: "clearWire", directions: ["in", "out"] });
    const other = this.#otherPartner;
    if (other) await this.ask({ command: "partner", abilities: {} });
    if (!cable) await this.ask({ command: "link", up: true });
    return faults.length > 0 || impaired || other || !cable;
  }

  async state(): Promise<ServeState> {
    return (await this.ask({ command: "show" })) as ServeState;
  }

  /** Arguments for QEMU. @param at more properties of the device, such as "addr" and "bus" */
  device(at: Readonly<Record<string, string>> = {}): readonly string[] {
    const socket = { type: "unix", path: this.socket };
    return ["-device", JSON.stringify({ driver: "vfio-user-pci", id: "nic", socket, ...at })];
  }

  /** Ends the server as Ctrl-C does, so that the capture is complete. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const hard = setTimeout(() => this.#process.kill("SIGKILL"), END_LIMIT);
    await ended;
    clearTimeout(hard);
  }
}
