/**
 * A machine with an IOMMU and QEMU's rtl8139, an independent model, with Debian's kernel and the packed Ferrule. Its
 * cable ends in QEMU's user network. There, 10.0.2.2 assigns addresses, answers pings and stands for this machine's
 * loopback interface. There is no IPv6, because a router advertisement could add a default route at any moment, and
 * `bind` refuses a card that carries one.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Packed } from "../guest/cpio.ts";
import type { Ran } from "../guest/channel.ts";
import { Guest } from "../guest/guest.ts";
import type { KernelName } from "../guest/parts.ts";
import type { Background } from "../rigs/background.ts";
import { eventually, LIMIT_MILLIS } from "../rigs/eventually.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { median } from "./figures.ts";
import { ferruleArchive, nodeArchive } from "./image.ts";

export const GATEWAY = "10.0.2.2";
const DOWNLOAD_BYTES = 4 << 20;
const MEGABYTES = 1024;
const WARM_PINGS = 1000;
const PINGS = 300;

/** The user for whom an administrator has done what `ferrule doctor` recommends. */
export const USER = { name: "user", id: 1000 } as const;
const PASSWD = `root:x:0:0:root:/root:/bin/sh\n${USER.name}:x:${USER.id}:${USER.id}::/tmp:/bin/sh\n`;
/** `as-user KIBIBYTES PROGRAM …` runs a program as `USER`, with a limit of locked memory. */
const AS_USER = `#!/bin/sh
ulimit -l "$1"
shift
exec setpriv --reuid=${USER.id} --regid=${USER.id} --clear-groups "$@"
`;

export interface MachineOptions {
  readonly kernel?: KernelName;
  /** More arguments for QEMU, after the IOMMU's. */
  readonly devices: readonly string[];
  readonly files?: readonly Packed[];
  /** Kernel parameters; default "intel_iommu=on". */
  readonly append?: readonly string[];
  readonly megabytes?: number;
  /** Whether the firmware reports an IOMMU. */
  readonly iommu?: boolean;
  /** Returns more archives, which it creates in `folder`. */
  readonly archives?: (folder: string) => readonly string[];
  /** Shell commands for `prepare`, which run before any log-in. */
  readonly prepared?: string;
}

const PREPARED = "cp /etc/passwd.rig /etc/passwd; modprobe -a tun 8139cp vfio-pci af_packet";

const IOMMU = ["-device", "intel-iommu,intremap=on,caching-mode=on"];

/**
 * A card for `devices`, with a network of its own. @param id the card's name in QEMU; its network is called `net-ID`
 */
export const card = (id: string, at: string): readonly string[] => [
  "-netdev",
  `user,id=net-${id},ipv6=off`,
  "-device",
  `rtl8139,id=${id},netdev=net-${id},romfile=,${at}`,
];

/** QEMU's user network at the end of a served NIC's cable. @param hub a unique number @param path where the NIC listens */
export const userNetwork = (hub: number, path: string): readonly string[] => [
  "-netdev",
  `stream,id=cable${hub},server=off,addr.type=unix,addr.path=${path}`,
  "-netdev",
  `user,id=net${hub},ipv6=off`,
  ...["cable", "net"].flatMap((end) => ["-netdev", `hubport,id=${end}${hub}-port,hubid=${hub},netdev=${end}${hub}`]),
];

/** A running `ferrule up` in the guest. */
export interface Up {
  readonly name: string;
  readonly pid: number;
  /**
   * Time in milliseconds from the start of the program to the carrier. Most of it is Node's start on an emulated
   * processor.
   */
  readonly carrierMillis: number;
  /** Milliseconds from the event "up", at which everything is set up, to the carrier. */
  readonly linkMillis: number;
}

export interface Pace {
  readonly pingMillis: number;
  readonly megabits: number;
}

interface Stamped {
  readonly seconds: number;
  readonly event: { readonly event: string; readonly up?: boolean };
}

const stamped = (log: string): Stamped[] =>
  log.split("\n").flatMap((line) => {
    const [seconds, json] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
    return json.startsWith("{") ? [{ seconds: Number(seconds), event: JSON.parse(json) as Stamped["event"] }] : [];
  });

/** The file that guests download. */
interface Offer {
  readonly server: Server;
  /** The file's SHA-256. */
  readonly digest: string;
}

export class Machine implements AsyncDisposable {
  readonly guest: Guest;
  readonly #offer: Offer;
  readonly #prepared: string;
  readonly #scope: AsyncDisposableStack;

  private constructor(guest: Guest, offer: Offer, prepared: string, scope: AsyncDisposableStack) {
    this.guest = guest;
    this.#offer = offer;
    this.#prepared = prepared;
    this.#scope = scope;
  }

  static async boot(options: MachineOptions): Promise<Machine> {
    const { kernel, devices, files = [], append = ["intel_iommu=on"], prepared = PREPARED } = options;
    await using scope = new AsyncDisposableStack();
    const folder = scratchFolder();
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    const own = [
      { path: "etc/passwd.rig", bytes: Buffer.from(PASSWD) },
      { path: "usr/bin/as-user", bytes: Buffer.from(AS_USER), executable: true },
    ];
    const bytes = randomBytes(DOWNLOAD_BYTES);
    const server = createServer((_, response) => void response.end(bytes));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    scope.defer(() => void server.close());
    const guest = scope.use(
      await Guest.boot({
        kernel,
        megabytes: options.megabytes ?? MEGABYTES,
        properties: ["kernel-irqchip=split"],
        archives: [
          nodeArchive(folder),
          ferruleArchive(folder, [...own, ...files]),
          ...(options.archives?.(folder) ?? []),
        ],
        append,
        devices: [...(options.iommu === false ? [] : IOMMU), ...devices],
      }),
    );
    const digest = createHash("sha256").update(bytes).digest("hex");
    const machine = new Machine(guest, { server, digest }, prepared, scope.move());
    await machine.prepare();
    return machine;
  }

  /** Does what a distribution does before any log-in. Must be called again after a reboot. */
  async prepare(): Promise<void> {
    await this.guest.mustRun(this.#prepared);
  }

  /** Runs `ferrule …` as root. Resolves with any exit code. */
  ferrule(words: string, limitMillis = LIMIT_MILLIS): Promise<Ran> {
    return this.guest.run(`ferrule ${words}`, limitMillis);
  }

  /** Runs `ferrule …` as root; returns its output. @throws {Error} unless its exit code is 0 */
  mustRun(words: string, limitMillis = LIMIT_MILLIS): Promise<string> {
    return this.guest.mustRun(`ferrule ${words}`, limitMillis);
  }

  /** Waits until the kernel's driver has made an interface for a card; returns its name. */
  async interfaceOf(address: string): Promise<string> {
    const name = `ls /sys/bus/pci/devices/${address}/net`;
    return (await this.guest.mustRun(`until ${name} 2>/dev/null; do sleep 0.05; done`)).trim();
  }

  /**
   * Starts `ferrule up` in the background and waits for the carrier. @param prefix a command that starts it, for
   * example as another user @throws {Error} with its output if it ends or has no carrier in time
   */
  async up(device: string, name: string, prefix = "", options = ""): Promise<Up> {
    const log = `/tmp/${name}.log`;
    // Prefixes each line with its time from /proc/uptime, in seconds with two decimals.
    const stamp = `while read -r line; do read -r at rest </proc/uptime; echo "$at $line"; done`;
    const run = `${prefix} ferrule up ${device} --name ${name} ${options} --json 2>&1`;
    const started = await this.guest.mustRun(
      `read -r at rest </proc/uptime; rm -f ${log}; (sh -c 'echo $$; exec ${run}' | ${stamp} >${log}) >/dev/null & echo $at`,
    );
    let output = "";
    const findUp = async (): Promise<Up | undefined> => {
      output = (await this.guest.run(`cat ${log}`)).stdout;
      const events = stamped(output);
      const [carrier] = events.filter(({ event }) => event.event === "carrier" && event.up === true);
      if (carrier !== undefined) {
        const millis = (since: number): number => Math.round((carrier.seconds - since) * 1000);
        const up = events.find(({ event }) => event.event === "up")!;
        const pid = Number(output.split("\n")[0]!.split(" ")[1]);
        return { name, pid, carrierMillis: millis(Number(started)), linkMillis: millis(up.seconds) };
      }
      if (/ (ferrule: |\{"event":"(failed|down)")/.test(output))
        throw new Error(
          `ferrule up ${device} has no carrier:\n${output}\n${(await this.guest.dmesg()).slice(-20).join("\n")}`,
        );
      return undefined;
    };
    return eventually(() => `a carrier for ferrule up ${device}:\n${output}`, findUp, 100);
  }

  /**
   * Starts echo requests at short intervals over an interface that has an address. Resolves when the requests flow. The
   * caller owns the process.
   */
  async flood(name: string): Promise<Background> {
    const traffic = await this.guest.start(`exec ping -q -i 0.002 ${GATEWAY}`);
    const sent = `/sys/class/net/${name}/statistics/tx_packets`;
    await this.guest.mustRun(`from=$(cat ${sent}); until [ $(cat ${sent}) -gt $((from + 50)) ]; do sleep 0.02; done`);
    return traffic;
  }

  /** The output so far of the `ferrule up` for the interface `name`. */
  async output(name: string): Promise<string> {
    return (await this.guest.run(`cat /tmp/${name}.log`)).stdout;
  }

  /** Waits until a process has ended. @throws {Error} at the time limit */
  async ended({ pid }: Up, limitMillis = LIMIT_MILLIS): Promise<void> {
    await this.guest.mustRun(`while kill -0 ${pid} 2>/dev/null; do sleep 0.05; done`, limitMillis);
  }

  /**
   * Gets an address from the network by the guest's own DHCP client, which repeats its request for as long as replies
   * may take. @throws {Error} without a lease
   */
  async lease(name: string): Promise<void> {
    const { exit, stdout, stderr } = await this.guest.run(`udhcpc -i ${name} -q -t 60 -T 2 -A 1`);
    if (exit !== 0 || !/lease of 10\.0\.2\.\d+ obtained/.test(stdout + stderr))
      throw new Error(`${name} got no lease:\n${stdout}${stderr}`);
  }

  get url(): string {
    return `http://${GATEWAY}:${(this.#offer.server.address() as AddressInfo).port}/`;
  }

  /**
   * Downloads the file over the present route. @returns Mbit/s @throws {Error} if the data differs from what was sent
   */
  async download(): Promise<number> {
    const timed = await this.guest.mustRun(
      `read -r a rest </proc/uptime; wget -q -O /tmp/file ${this.url}; read -r b rest </proc/uptime; echo $a $b; sha256sum </tmp/file; rm /tmp/file`,
    );
    const [from, to, digest] = timed.trim().split(/\s+/);
    if (digest !== this.#offer.digest) throw new Error(`the downloaded data differs:  ${timed}`);
    return (DOWNLOAD_BYTES * 8) / (Number(to) - Number(from)) / 1e6;
  }

  /**
   * Downloads the file in several flows at once, each from its own local port. @throws {Error} if a flow's data differs
   * from what was sent
   */
  async downloads(ports: readonly number[]): Promise<void> {
    const { hostname, port } = new URL(this.url);
    const flow = (local: number): string =>
      `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -p ${local} ${hostname} ${port} | tail -c ${DOWNLOAD_BYTES} | sha256sum >/tmp/${local} &`;
    const digests = await this.guest.mustRun(`${ports.map(flow).join(" ")} wait; cd /tmp; cat ${ports.join(" ")}`);
    const arrived = digests.split("\n").filter((line) => line.startsWith(this.#offer.digest));
    if (arrived.length !== ports.length)
      throw new Error(`some of the ${ports.length} downloads differ from what was sent:\n${digests}`);
  }

  /** Sends pings over an interface. Returns the times of those that were answered, in milliseconds. */
  async ping(count: number, name: string): Promise<number[]> {
    const output = await this.guest.mustRun(`ping -I ${name} -c ${count} -i 0.005 -w 250 ${GATEWAY}`);
    return [...output.matchAll(/ time=([\d.]+) ms/g)].map(([, millis]) => Number(millis));
  }

  /** Gets a lease, sends pings, and downloads the file. Removes the addresses afterwards. */
  async works(name: string): Promise<{ readonly pings: readonly number[]; readonly megabits: number }> {
    try {
      await this.lease(name);
      const pings = await this.ping(50, name);
      if (pings.length < 50) throw new Error(`${pings.length} of 50 pings were answered on ${name}`);
      return { pings, megabits: await this.download() };
    } finally {
      await this.guest.run(`ip addr flush dev ${name}; ip route flush dev ${name}`);
    }
  }

  /** Measures pings and a download, after a warm-up in which the engine compiles the code. */
  async pace(name: string): Promise<Pace> {
    try {
      await this.lease(name);
      await this.ping(WARM_PINGS, name);
      const pings = await this.ping(PINGS, name);
      if (pings.length < PINGS) throw new Error(`${pings.length} of ${PINGS} pings were answered on ${name}`);
      await this.download();
      return { pingMillis: median(pings), megabits: await this.download() };
    } finally {
      await this.guest.run(`ip addr flush dev ${name}; ip route flush dev ${name}`);
    }
  }

  /** The driver to which a card is bound; undefined if it has none. */
  async driverOf(address: string): Promise<string | undefined> {
    const { exit, stdout } = await this.guest.run(`basename $(readlink /sys/bus/pci/devices/${address}/driver)`);
    return exit === 0 ? stdout.trim() : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

/** A module of a test, as a file for the guest, beside Ferrule's own modules. */
export const beside = (name: string, source: string): Packed => ({
  path: join("usr/lib/node_modules/ferrule/dist", name),
  bytes: Buffer.from(source),
});
