/**
 * The machine at the other end of the cable, inside the guest: a network namespace with QEMU's virtio card, which is
 * connected to our NIC's cable. The guest's kernel is at both ends, with its features (VLANs), and the host needs no
 * privileges. The card's offloads are off: the kernel computes and verifies every checksum itself.
 */
import type { Background } from "../rigs/background.ts";
import { GuestBackground } from "./background.ts";
import type { Far, FarRan } from "./far-end.ts";
import type { Guest } from "./guest.ts";

/** The namespace's name in the guest. */
export const NAMESPACE = "far";

/** Arguments for QEMU. @param path socket at which our NIC's cable listens, with QEMU's framing */
export const insideDevice = (path: string): readonly string[] => [
  "-netdev",
  `stream,id=far,server=off,addr.type=unix,addr.path=${path}`,
  "-device",
  "virtio-net-pci,netdev=far,mac=02:00:5e:10:00:02,csum=off,guest_csum=off,gso=off,host_tso4=off,host_tso6=off,host_ufo=off," +
    "guest_tso4=off,guest_tso6=off,guest_ufo=off,mrg_rxbuf=on,host_mtu=16362",
];

export class FarInside implements Far {
  readonly #guest: Guest;

  private constructor(guest: Guest) {
    this.#guest = guest;
  }

  /** To be called before any other network driver is loaded. @param name the name that the far end's interface gets */
  static async open(guest: Guest, name: string): Promise<FarInside> {
    await guest.mustRun(
      `set -e; modprobe virtio_net; ip netns add ${NAMESPACE}; ip link set eth0 name ${name} mtu 1500 netns ${NAMESPACE}`,
    );
    const far = new FarInside(guest);
    await far.mustRun("ip link set lo up; echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad");
    return far;
  }

  run(command: string, limitMillis?: number): Promise<FarRan> {
    const quoted = command.replaceAll("'", `'\\''`);
    return this.#guest.run(`ip netns exec ${NAMESPACE} sh -c '${quoted}'`, limitMillis);
  }

  async mustRun(command: string, limitMillis?: number): Promise<string> {
    const { exit, stdout, stderr } = await this.run(command, limitMillis);
    if (exit !== 0) throw new Error(`at the far end, ${command} ended with ${exit}:\n${stderr}${stdout}`);
    return stdout;
  }

  start(command: string): Promise<Background> {
    return GuestBackground.start((words) => this.mustRun(words), command);
  }
}
