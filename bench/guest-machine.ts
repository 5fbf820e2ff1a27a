/** A guest with several NICs, and a TAP for each of them in one namespace, for iperf3 and round trips. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { FarEnd } from "../test/guest/far-end.ts";
import { Guest } from "../test/guest/guest.ts";
import { Nic } from "../test/guest/nic.ts";
import type { BenchOptions } from "./bench.ts";
import { Child } from "./child.ts";

/** A kind of NIC and its implementation. */
export interface Model {
  readonly name: string;
  /** The guest's kernel module for the NIC. */
  readonly driver: string;
  /** QEMU's name for the device; undefined for Ferrule's device, which is in another process. */
  readonly device: string | undefined;
}

/** One NIC of the guest, with its TAP and addresses. */
export interface Path {
  readonly model: Model;
  /** The guest's name for the interface. */
  readonly name: string;
  readonly near: string;
  readonly far: string;
}

interface IperfReport {
  readonly end: {
    readonly sum_received: { readonly bits_per_second: number };
  };
}

const KERNEL = "6.12";
const ECHO_PORT = 7;
const CARRIER_LIMIT = 20_000;
const SERVER_LIMIT = 5_000;
/** Offloads to enable. Some NICs or drivers do not support all of them. */
const OFFLOADS = "rx on tx on sg on tso on";

export class GuestMachine implements AsyncDisposable {
  readonly guest: Guest;
  readonly far: FarEnd;
  readonly paths: readonly Path[];
  readonly #nic: Nic;
  readonly #scope: AsyncDisposableStack;

  private constructor(
    parts: { guest: Guest; far: FarEnd; nic: Nic; paths: readonly Path[] },
    scope: AsyncDisposableStack,
  ) {
    this.guest = parts.guest;
    this.far = parts.far;
    this.paths = parts.paths;
    this.#nic = parts.nic;
    this.#scope = scope;
  }

  /** @param echo bench/c/echo.c, compiled for any machine */
  static async open(models: readonly Model[], echo: string, stop: AbortSignal): Promise<GuestMachine> {
    await using scope = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "ferrule-bench-guest-"));
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    const far = scope.use(await FarEnd.open());
    const wire = `tap:${tapOf(models.findIndex(({ device }) => device === undefined))}`;
    const nic = scope.use(await Nic.serve(far, { chip: "rtl8168h", socket: join(folder, "nic"), wire }));
    const devices = models.flatMap((model, i) => (model.device === undefined ? nic.device() : ownDevice(model, i)));
    const guest = scope.use(await Guest.boot({ kernel: KERNEL, within: far, devices }));
    for (const { driver } of models) await guest.mustRun(`modprobe ${driver}`);
    const paths: Path[] = [];
    for (const [i, model] of models.entries()) paths.push(await configure(guest, far, model, i));
    await install(guest, echo);
    const answering = scope.use(new Child(far.command(echo, "serve", String(ECHO_PORT))));
    await answering.until("requests", ({ output }) => output.includes("ready"), { limitMs: SERVER_LIMIT, stop });
    return new GuestMachine({ guest, far, nic, paths }, scope.move());
  }

  /** Measures the TCP throughput in Mbit/s over `seconds`, after one second that is not counted. */
  async transfer(path: Path, direction: "sends" | "receives", { seconds, stop }: BenchOptions): Promise<number> {
    const { far } = this;
    const programs = `PATH=${far.environment["PATH"]}`;
    const serve = far.command("env", programs, "iperf3", "-s", "-1", "-B", path.far, "--forceflush");
    await using server = new Child(serve);
    await server.until("iperf3", ({ output }) => output.includes("listening"), { limitMs: SERVER_LIMIT, stop });
    const reverse = direction === "sends" ? "" : "-R";
    const command = `iperf3 -J -c ${path.far} -t ${seconds} -O 1 ${reverse}`;
    const { end } = JSON.parse(await this.guest.mustRun(command, (seconds + 30) * 1000)) as IperfReport;
    return end.sum_received.bits_per_second / 1e6;
  }

  /**
   * Measures the times of `count` requests that the guest makes over UDP, in microseconds. Requests without a reply are
   * omitted.
   */
  async ask(path: Path, count: number, bytes = 64): Promise<number[]> {
    const text = await this.guest.mustRun(`/tmp/echo ask ${path.far} ${ECHO_PORT} ${count} ${bytes}`, 60_000);
    return text
      .split("\n")
      .filter((line) => line !== "" && line !== "-1")
      .map((line) => Number(line) / 1000);
  }

  /**
   * Like `ask`, but with the guest's software interrupt coalescing off. By default, Linux leaves interrupts masked for
   * another 20 µs after a poll with r8169, unlike with most other drivers (`netdev_sw_irq_coalesce_default_on`).
   */
  async askPlainly(path: Path, count: number): Promise<number[]> {
    const settings = ["gro_flush_timeout", "napi_defer_hard_irqs"].map((name) => `/sys/class/net/${path.name}/${name}`);
    const before = (await this.guest.mustRun(`cat ${settings.join(" ")}`)).trim().split("\n");
    const set = (values: readonly string[]): Promise<string> =>
      this.guest.mustRun(settings.map((file, i) => `echo ${values[i]} >${file}`).join("; "));
    await set(["0", "0"]);
    try {
      return await this.ask(path, count);
    } finally {
      await set(before);
    }
  }

  /** The state of Ferrule's device. */
  state(): ReturnType<Nic["state"]> {
    return this.#nic.state();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

const tapOf = (i: number): string => `fe${i}`;

const ownDevice = ({ device }: Model, i: number): readonly string[] => [
  "-netdev",
  `tap,id=net${i},ifname=${tapOf(i)},script=no,downscript=no,vhost=off`,
  "-device",
  `${device},netdev=net${i},mac=52:54:00:00:00:0${i},romfile=`,
];

const configure = async (guest: Guest, far: FarEnd, model: Model, i: number): Promise<Path> => {
  const driver = `/sys/bus/pci/drivers/${model.driver}`;
  const name = (await guest.mustRun(`ls ${driver}/*/net`)).trim();
  const path = { model, name, near: `10.9.${i}.1`, far: `10.9.${i}.2` };
  await far.mustRun(`ip addr add ${path.far}/24 dev ${tapOf(i)}; ip link set ${tapOf(i)} up`);
  // `ethtool -K` rejects the offloads that the driver does not support, and sets the others.
  await guest.mustRun(
    `ethtool -K ${name} ${OFFLOADS} || true; ip link set ${name} up; ip addr add ${path.near}/24 dev ${name}`,
  );
  const carrier = `until [ "$(cat /sys/class/net/${name}/carrier)" = 1 ]; do sleep 0.05; done`;
  await guest.mustRun(`${carrier}; ping -c 1 -W 5 ${path.far}`, CARRIER_LIMIT);
  return path;
};

const install = async (guest: Guest, echo: string): Promise<void> => {
  const packed = gzipSync(readFileSync(echo)).toString("base64");
  await guest.mustRun(`base64 -d >/tmp/echo.gz <<'.' && gunzip /tmp/echo.gz && chmod +x /tmp/echo\n${packed}\n.\n`);
};
