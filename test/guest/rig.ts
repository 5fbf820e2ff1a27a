/** A guest with one of our NICs, and the machine at the other end of the cable. */
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CapturedPacket } from "#wire/captured-packet.ts";
import { readPcapng } from "#wire/pcapng-reader.ts";
import { eventually, LIMIT_MILLIS } from "../rigs/eventually.ts";
import { type Far, FarEnd } from "./far-end.ts";
import { FarInside, insideDevice } from "./far-inside.ts";
import { Guest, type GuestOptions } from "./guest.ts";
import { Nic } from "./nic.ts";
import { scratchFolder } from "./scratch.ts";

export interface RigOptions extends Omit<GuestOptions, "devices"> {
  readonly chip: string;
  readonly mac?: string | undefined;
  /** Highest kind of interrupt that the device offers; default: all that the chip has. */
  readonly interrupts?: "intx" | "msi" | "msix" | undefined;
  /** More arguments for `ferrule model serve`. */
  readonly serve?: readonly string[] | undefined;
  /** More arguments for QEMU, before the NIC's: an IOMMU must come first. */
  readonly devices?: readonly string[] | undefined;
  /** Whether every frame on the wire is recorded, for `frames`. */
  readonly capture?: boolean | undefined;
  /**
   * The machine at the other end of the cable: this host's network stack in a namespace, or the guest's own behind a
   * QEMU NIC. With "none", the client that connects to `Rig.cable` is the far end.
   */
  readonly far?: "outside" | "inside" | "none" | undefined;
}

/** Addresses and names of both ends. */
export const NEAR = { name: "eth0", ipv4: "10.9.0.1", ipv6: "fd09::1" } as const;
export const FAR = { name: "fe0", ipv4: "10.9.0.2", ipv6: "fd09::2" } as const;

export class Rig implements AsyncDisposable {
  readonly chip: string;
  readonly guest: Guest;
  readonly far: Far;
  /** The far end, if it is on the host. */
  readonly outside: FarEnd | undefined;
  readonly nic: Nic;
  /** Path of a socket with QEMU's framing, which exists unless the far end is on the host. */
  readonly cable: string;
  readonly #folder: string;
  readonly #scope: AsyncDisposableStack;

  private constructor(
    options: RigOptions,
    parts: { guest: Guest; far: Far; outside: FarEnd | undefined; nic: Nic },
    folder: string,
    scope: AsyncDisposableStack,
  ) {
    this.chip = options.chip;
    this.guest = parts.guest;
    this.far = parts.far;
    this.outside = parts.outside;
    this.nic = parts.nic;
    this.cable = join(folder, CABLE);
    this.#folder = folder;
    this.#scope = scope;
  }

  /** Starts everything; the guest's driver is not loaded yet. @throws {Error} */
  static async open(options: RigOptions): Promise<Rig> {
    await using scope = new AsyncDisposableStack();
    const folder = scratchFolder();
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    const { far: outside, nic, devices } = await openNic(scope, folder, options);
    const guest = scope.use(await Guest.boot({ ...options, devices }));
    const far = outside ?? (options.far === "inside" ? await FarInside.open(guest, FAR.name) : NO_FAR_END);
    if (options.far === "inside") await addresses(far);
    return new Rig(options, { guest, far, outside, nic }, folder, scope.move());
  }

  /** Loads the driver and gives both ends their addresses; resolves when frames can pass. @throws {Error} */
  async up(): Promise<void> {
    await this.guest.mustRun("modprobe r8169");
    await this.configure();
  }

  /** Gives the guest's interface its addresses, once the driver is loaded. */
  async configure(): Promise<void> {
    const { name, ipv4, ipv6 } = NEAR;
    await this.guest.mustRun(
      `ip link set ${name} up; ip addr replace ${ipv4}/24 dev ${name}; ip addr replace ${ipv6}/64 dev ${name} nodad`,
    );
    await this.carrier(true);
  }

  /** Resolves when the guest's link is up, or down. @throws {Error} at the time limit */
  async carrier(up: boolean, limitMillis = LIMIT_MILLIS): Promise<void> {
    const wanted = up ? 1 : 0;
    const waitForCarrier = `until [ "$(cat /sys/class/net/${NEAR.name}/carrier)" = ${wanted} ]; do sleep 0.05; done`;
    const { exit } = await this.guest.run(waitForCarrier, limitMillis);
    if (exit !== 0)
      throw new Error(`the carrier is not ${wanted} after ${limitMillis} ms\n${(await this.guest.dmesg()).join("\n")}`);
  }

  /**
   * Number of frames that have crossed the wire, including those that the NIC did not accept. The capture contains as
   * many frames.
   */
  async crossed(): Promise<number> {
    const { sentFrames, receivedFrames, refused } = (await this.nic.state()).traffic;
    return sentFrames + receivedFrames + refused - this.nic.injected;
  }

  /**
   * All frames that have crossed the wire so far, and perhaps some later ones. Waits until the server has written them
   * to the file. @throws {Error}
   */
  async frames(): Promise<readonly CapturedPacket[]> {
    const crossed = await this.crossed();
    const path = join(this.#folder, CAPTURE);
    let bytes = -1;
    return eventually(
      `${crossed} frames in the capture`,
      () => {
        if (statSync(path).size === bytes) return undefined;
        const file = readFileSync(path);
        bytes = file.length;
        const frames = [...readPcapng(file)];
        return frames.length >= crossed && frames;
      },
      100,
    );
  }

  /**
   * Resolves when the guest reports the present link state. The guest may report nothing about a loss of link: a driver
   * that is delayed for longer than autonegotiation takes finds the link unchanged. @throws {Error}
   */
  async linked(): Promise<void> {
    const { speed } = await eventually("a link", async () => {
      const { link } = await this.nic.state();
      return link.up && link;
    });
    const { exit } = await this.guest.run(
      `cd /sys/class/net/${NEAR.name}; until [ "$(cat carrier) $(cat speed)" = "1 ${speed}" ]; do sleep 0.05; done`,
    );
    if (exit !== 0)
      throw new Error(`the guest has no link at ${speed} Mbit/s\n${(await this.guest.dmesg()).join("\n")}`);
  }

  /**
   * Unloads and reloads the driver, and restores the interface's configuration. Afterwards everything is as after `up`.
   * @throws {Error}
   */
  async renew(): Promise<void> {
    await this.guest.mustRun("rmmod r8169");
    await this.up();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

const CAPTURE = "wire.pcapng";
const CABLE = "cable";

const noFarEnd = (): Promise<never> => Promise.reject(new Error("there is no machine at the cable's other end"));
const NO_FAR_END: Far = { run: noFarEnd, mustRun: noFarEnd, start: noFarEnd };

const addresses = async (far: Far): Promise<void> => {
  const { name, ipv4, ipv6 } = FAR;
  await far.mustRun(
    `ip addr add ${ipv4}/24 dev ${name}; ip addr add ${ipv6}/64 dev ${name} nodad; ip link set ${name} up`,
  );
};

/**
 * Opens a NIC, and the far end of its cable if that is on the host. Returns them with QEMU's arguments.
 * test/guest/shell.ts uses this function, too.
 */
export const openNic = async (
  scope: AsyncDisposableStack,
  folder: string,
  options: RigOptions,
): Promise<{ far: FarEnd | undefined; nic: Nic; devices: readonly string[] }> => {
  const { chip, mac, serve = [], interrupts, devices = [] } = options;
  const { far: where = "outside" } = options;
  const far = where === "outside" ? scope.use(await FarEnd.open()) : undefined;
  const only = interrupts === undefined ? [] : ["--interrupts", interrupts];
  const cable = join(folder, CABLE);
  const nic = scope.use(
    await Nic.serve(far, {
      chip,
      mac,
      socket: join(folder, "nic"),
      wire: far === undefined ? `unix:${cable},listen` : `tap:${FAR.name}`,
      capture: options.capture === true ? join(folder, CAPTURE) : undefined,
      more: [...serve, ...only],
    }),
  );
  if (far !== undefined) await addresses(far);
  return { far, nic, devices: [...devices, ...nic.device(), ...(where === "inside" ? insideDevice(cable) : [])] };
};
