/** A guest with several NICs and a TAP for each in one namespace: what iperf3 and round trips run over. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { FarEnd } from "../test/guest/far-end.ts";
import { Guest } from "../test/guest/guest.ts";
import { Nic } from "../test/guest/nic.ts";

/** A kind of NIC, and who makes it. */
export interface Model {
  readonly name: string;
  /** The guest's module for it. */
  readonly driver: string;
  /** QEMU's name for its own device; ours is another process. */
  readonly device: string | undefined;
}

export interface Transfer {
  readonly megabitsPerSecond: number;
  readonly retransmits: number;
}

/** One NIC of the guest's, with its TAP and its addresses. */
export interface Path {
  readonly model: Model;
  /** The guest's name for the interface. */
  readonly name: string;
  readonly near: string;
  readonly far: string;
}

interface IperfReport {
  readonly end: {
    readonly sum_sent: { readonly retransmits?: number };
    readonly sum_received: { readonly bits_per_second: number };
  };
}

const KERNEL = "6.12";
const ECHO_PORT = 7;
const CARRIER_LIMIT = 20_000;
/** What either direction does where both the NIC and its driver can. */
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
  static async open(models: readonly Model[], echo: string, serve: readonly string[] = []): Promise<GuestMachine> {
    await using scope = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "ferrule-bench-guest-"));
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    const far = scope.use(await FarEnd.open());
    const wire = `tap:${tapOf(models.findIndex(({ device }) => device === undefined))}`;
    const nic = scope.use(await Nic.serve(far, { chip: "rtl8168h", socket: join(folder, "nic"), wire, more: serve }));
    const devices = models.flatMap((model, i) => (model.device === undefined ? nic.device() : ownDevice(model, i)));
    const guest = scope.use(await Guest.boot({ kernel: KERNEL, within: far, devices }));
    for (const { driver } of models) await guest.must(`modprobe ${driver}`);
    const paths: Path[] = [];
    for (const [i, model] of models.entries()) paths.push(await configure(guest, far, model, i));
    await install(guest, echo);
    await serveEcho(scope, far, echo);
    return new GuestMachine({ guest, far, nic, paths }, scope.move());
  }

  /** TCP for `seconds`, after one that is not counted. */
  async transfer(path: Path, direction: "sends" | "receives", seconds: number): Promise<Transfer> {
    await this.far.must(`iperf3 -s -D -1 -B ${path.far}; sleep 0.3`);
    const reverse = direction === "sends" ? "" : "-R";
    const command = `iperf3 -J -c ${path.far} -t ${seconds} -O 1 ${reverse}`;
    const { end } = JSON.parse(await this.guest.must(command, (seconds + 30) * 1000)) as IperfReport;
    return {
      megabitsPerSecond: end.sum_received.bits_per_second / 1e6,
      retransmits: end.sum_sent.retransmits ?? 0,
    };
  }

  /** Times of `count` requests over UDP that the guest makes, in microseconds. Those without an answer are missing. */
  async ask(path: Path, count: number, bytes = 64): Promise<number[]> {
    const text = await this.guest.must(`/tmp/echo ask ${path.far} ${ECHO_PORT} ${count} ${bytes}`, 60_000);
    return text
      .split("\n")
      .filter((line) => line !== "" && line !== "-1")
      .map((line) => Number(line) / 1000);
  }

  /** What our device says of itself. */
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
  const name = (await guest.must(`ls ${driver}/*/net`)).trim();
  const path = { model, name, near: `10.9.${i}.1`, far: `10.9.${i}.2` };
  await far.must(`ip addr add ${path.far}/24 dev ${tapOf(i)}; ip link set ${tapOf(i)} up`);
  // What a driver cannot do it refuses, and the rest is done.
  await guest.must(
    `ethtool -K ${name} ${OFFLOADS} || true; ip link set ${name} up; ip addr add ${path.near}/24 dev ${name}`,
  );
  const carrier = `until [ "$(cat /sys/class/net/${name}/carrier)" = 1 ]; do sleep 0.05; done`;
  await guest.must(`${carrier}; ping -c 1 -W 5 ${path.far}`, CARRIER_LIMIT);
  return path;
};

const install = async (guest: Guest, echo: string): Promise<void> => {
  const packed = gzipSync(readFileSync(echo)).toString("base64");
  await guest.must(`base64 -d >/tmp/echo.gz <<'.' && gunzip /tmp/echo.gz && chmod +x /tmp/echo\n${packed}\n.\n`);
};

const serveEcho = async (scope: AsyncDisposableStack, far: FarEnd, echo: string): Promise<void> => {
  const [program, ...args] = far.command(echo, "serve", String(ECHO_PORT));
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  scope.defer(() => void child.kill("SIGKILL"));
  const [word] = (await Promise.race([once(child.stdout, "data"), once(child, "close")])) as [unknown];
  if (!String(word).startsWith("ready")) throw new Error("the server of round trips did not start");
};
