/**
 * Our NIC in one guest and QEMU's own in another, connected by one cable: stream and datagram sockets with QEMU's
 * framing.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openServer } from "#app/serve/open-server.ts";
import type { ServeState } from "#app/serve/requests.ts";
import type { WireSpec } from "#app/wires/wire-spec.ts";
import { noRig } from "../guest/available.ts";
import { Guest } from "../guest/guest.ts";

interface Cable {
  readonly name: string;
  readonly ours: (folder: string) => WireSpec;
  /** The other end of the cable, in QEMU's syntax. */
  readonly theirs: (folder: string) => string;
}

const CABLES: readonly Cable[] = [
  {
    name: "a stream socket on which we listen",
    ours: (folder) => ({ kind: "stream", path: join(folder, "wire"), listen: true }),
    theirs: (folder) => `stream,server=off,addr.type=unix,addr.path=${join(folder, "wire")}`,
  },
  {
    name: "a stream socket on which QEMU listens",
    ours: (folder) => ({ kind: "stream", path: join(folder, "wire"), listen: false }),
    theirs: (folder) => `stream,server=on,addr.type=unix,addr.path=${join(folder, "wire")}`,
  },
  {
    name: "datagram sockets",
    ours: (folder) => ({ kind: "datagram", path: join(folder, "ours"), peer: join(folder, "theirs") }),
    theirs: (folder) =>
      `dgram,local.type=unix,local.path=${join(folder, "theirs")},remote.type=unix,remote.path=${join(folder, "ours")}`,
  },
];

/** Loads a driver, gives eth0 an address and waits for the link. */
const up = (driver: string, address: string): string =>
  [
    `modprobe ${driver}; ip addr add ${address}/24 dev eth0; ip link set eth0 up`,
    'until [ "$(cat /sys/class/net/eth0/carrier)" = 1 ]; do sleep 0.1; done',
  ].join("; ");

suite("a guest with our NIC, and one with QEMU's e1000e,", { skip: noRig() }, () => {
  for (const cable of CABLES)
    test(`reach each other over ${cable.name}`, async () => {
      await using scope = new AsyncDisposableStack();
      const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
      scope.defer(() => rmSync(folder, { recursive: true, force: true }));
      const socket = join(folder, "nic");
      const nic = scope.use(
        await openServer({
          chip: "rtl8168h",
          mac: "02:00:5e:10:00:01",
          socket,
          wire: cable.ours(folder),
          capture: undefined,
          trace: undefined,
          strict: "warn",
        }),
      );
      const device = JSON.stringify({ driver: "vfio-user-pci", socket: { type: "unix", path: socket } });
      const boot = async (devices: readonly string[]): Promise<Guest> => scope.use(await Guest.boot({ devices }));
      const boots = [
        boot(["-device", device]),
        boot(["-netdev", `${cable.theirs(folder)},id=wire`, "-device", "e1000e,netdev=wire"]),
      ] as const;
      // If one guest does not come up, the test still waits for the other, so that the other is disposed.
      await Promise.allSettled(boots);
      const [ours, theirs] = await Promise.all(boots);
      await Promise.all([ours.mustRun(up("r8169", "10.9.0.1")), theirs.mustRun(up("e1000e", "10.9.0.2"))]);
      await ours.mustRun("ping -c 3 -w 250 10.9.0.2");
      await theirs.mustRun("ping -c 3 -w 250 -s 1472 -M do 10.9.0.1");
      const { offences, traffic } = (await nic.ask({ command: "show" })) as ServeState;
      assert.deepEqual(offences, {});
      assert.ok(traffic.sentFrames >= 6 && traffic.receivedFrames >= 6);
    });
});
