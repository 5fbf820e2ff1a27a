/** A QEMU with a halted processor: a machine with one NIC that is driven from outside. It starts in 0.1 s and needs no guest. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync, writeSync } from "node:fs";
import { Timeout } from "#kit/errors.ts";
import type { Fd } from "#sys/fd.ts";
import { read, write } from "#sys/fd.ts";
import { createMemory } from "#sys/mapping.ts";
import { Poller } from "#sys/poll.ts";
import { socketPair } from "#sys/unix-socket.ts";
import { LIMIT_MILLIS } from "./eventually.ts";
import { OWN_MODEL, type QtestModel } from "./named-model.ts";
import { skipFor } from "./skip.ts";

const has = (program: string): boolean => spawnSync("sh", ["-c", 'command -v "$0"', program]).status === 0;

/**
 * Why the rig cannot run here, or false; for node:test's `skip`. @throws {Error} in CI, where nothing may be skipped
 */
export const noQtest = ({ program }: QtestModel = OWN_MODEL): string | false => {
  const missing = [program, "setpriv"].filter((program) => !has(program));
  return skipFor(missing.length > 0 && `needs ${missing.join(", ")}`);
};

/** Half of the RAM is above 4 GiB, so that a driver or bus that drops the high half of an address fails at once. */
const RAM_MEGABYTES = 64;
const LOW_MEGABYTES = 32;
export const HIGH_MEMORY = { offset: LOW_MEGABYTES << 20, address: 2 ** 32, bytes: LOW_MEGABYTES << 20 } as const;
/** Memory below 4 GiB, without the first pages, which have special uses on a PC. */
export const LOW_MEMORY = { offset: 16 << 20, address: 16 << 20, bytes: 16 << 20 } as const;

/**
 * Firmware that halts the processor: `cli; hlt` at the reset vector, 16 bytes below the end. It is needed because
 * Debian's QEMU 7.2 has no `qtest` accelerator, and supports the protocol only in a machine that runs.
 */
const firmware = (): Fd => {
  const image = new Uint8Array(64 << 10).fill(0xf4);
  image.set([0xfa, 0xf4, 0xeb, 0xfd], image.length - 16);
  const file = createMemory("firmware", image.length);
  writeSync(file.number, image, 0, image.length, 0);
  return file;
};

export interface MachineOptions {
  /** The device to drive; default: QEMU's RTL8139C+. */
  readonly model?: QtestModel;
  /** The other end of the NIC's cable: the test, QEMU's user network, or nothing. */
  readonly cable: "us" | "user network" | "nowhere";
  readonly mac: string;
  /** Address of an echo server on the user network. */
  readonly echo?: { readonly host: string; readonly port: number } | undefined;
  /** More arguments for QEMU. */
  readonly more?: readonly string[];
}

/** QEMU's control socket, for one request at a time. */
class Control implements Disposable {
  readonly #socket: Fd;
  readonly #poller: Poller;
  #text = "";
  constructor(socket: Fd) {
    this.#socket = socket;
    this.#poller = new Poller([socket.number]);
  }
  execute(command: string, values: Readonly<Record<string, unknown>> = {}): void {
    write(
      this.#socket.number,
      new TextEncoder().encode(`${JSON.stringify({ execute: command, arguments: values })}\n`),
    );
    const end = performance.now() + LIMIT_MILLIS;
    for (;;) {
      for (const line of this.#lines(Math.ceil(end - performance.now()))) {
        const answer = JSON.parse(line) as { readonly error?: { readonly desc: string }; readonly return?: unknown };
        if (answer.error !== undefined) throw new Error(`${command}: ${answer.error.desc}`);
        if (answer.return !== undefined) return;
      }
    }
  }
  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
  #lines(millis: number): readonly string[] {
    if (millis <= 0) throw new Timeout({ what: "QEMU's control socket", waitedMicros: LIMIT_MILLIS * 1000 });
    if (this.#poller.wait(millis) === 0) return [];
    const bytes = new Uint8Array(new ArrayBuffer(65_536));
    const length = read(this.#socket.number, bytes);
    if (length === 0) throw new Error("QEMU closed its control socket");
    const lines = (this.#text + Buffer.from(bytes.subarray(0, length)).toString()).split("\n");
    this.#text = lines.pop()!;
    return lines;
  }
}

export class QtestMachine implements Disposable {
  /** Our end of the qtest socket. It is closed with the machine, unless its user has closed it before. */
  readonly qtest: Fd;
  /** The file that contains the machine's RAM. */
  readonly ram: Fd;
  /** Our end of the cable, if it is connected to the test. */
  readonly cable: Fd | undefined;
  readonly #process: ChildProcess;
  readonly #errors: Fd;
  readonly #control: Control;
  readonly #scope: DisposableStack;

  constructor(options: MachineOptions) {
    using scope = new DisposableStack();
    // Descriptors for QEMU. This process closes them once QEMU has them, so that it can detect QEMU's exit.
    using theirs = new DisposableStack();
    const pair = (what: string): readonly [ours: Fd, theirs: number] => {
      const [ours, other] = socketPair(what);
      return [scope.use(ours), theirs.use(other).number];
    };
    const [qtest, qtestEnd] = pair("qtest");
    const [control, controlEnd] = pair("QEMU's control socket");
    const [cable, cableEnd] = pair("cable");
    this.ram = scope.use(createMemory("ram", RAM_MEGABYTES << 20));
    this.#errors = scope.use(createMemory("errors", 0, { sealed: false }));
    const bios = theirs.use(firmware());
    this.qtest = qtest;
    this.cable = options.cable === "us" ? cable : undefined;

    // In QEMU these descriptors have the numbers 3 and up, in this order.
    const passed = [qtestEnd, controlEnd, this.ram.number, bios.number, cableEnd];
    const { echo, model = OWN_MODEL } = options;
    const forward = echo === undefined ? "" : `,guestfwd=tcp:${echo.host}:${echo.port}-cmd:cat`;
    const netdev = {
      us: ["-netdev", "stream,id=cable,server=off,addr.type=fd,addr.str=7"],
      "user network": ["-netdev", `user,id=cable,restrict=on${forward}`],
      nowhere: [],
    }[options.cable];
    const nic = `${model.device},id=nic,mac=${options.mac},romfile=${netdev.length === 0 ? "" : ",netdev=cable"}`;
    const args = [
      [
        "--pdeathsig",
        "KILL",
        model.program,
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-accel",
        "tcg,tb-size=1",
      ],
      ["-machine", `q35,memory-backend=ram,max-ram-below-4g=${LOW_MEGABYTES}M`, "-m", `${RAM_MEGABYTES}M`],
      ["-object", `memory-backend-file,id=ram,size=${RAM_MEGABYTES}M,mem-path=/proc/self/fd/5,share=on`],
      ["-bios", "/proc/self/fd/6"],
      ["-chardev", "socket,id=qtest,fd=3", "-qtest", "chardev:qtest", "-qtest-log", "none"],
      ["-chardev", "socket,id=control,fd=4", "-mon", "chardev=control,mode=control"],
      [...netdev, "-device", nic, ...(options.more ?? [])],
    ].flat();
    this.#process = spawn("setpriv", args, { stdio: ["ignore", "ignore", this.#errors.number, ...passed] });
    // A program that could not be started is reported like one that has ended.
    this.#process.on("error", () => {});
    scope.defer(() => this.#process.kill("SIGKILL"));
    this.#control = scope.use(new Control(control));
    this.#scope = scope.move();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** What QEMU has printed. */
  get errors(): string {
    return readFileSync(`/proc/self/fd/${this.#errors.number}`, "utf8");
  }

  /** Unplugs the cable, or plugs it in. */
  setCable(plugged: boolean): void {
    this.#negotiate();
    this.#control.execute("set_link", { name: "nic", up: plugged });
  }

  /** Ends QEMU as a crash would. */
  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #negotiated = false;
  #negotiate(): void {
    if (this.#negotiated) return;
    this.#control.execute("qmp_capabilities");
    this.#negotiated = true;
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}
