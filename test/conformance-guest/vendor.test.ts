/**
 * Realtek's own drivers for Linux, r8168 and r8125: they share no code with the kernel's r8169. They use registers that
 * no other driver touches, and check the PHY periodically. Both are compiled with several receive queues and RSS.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import type { LinkSpeed } from "#model/phy/link-partner.ts";
import { noRig } from "../guest/available.ts";
import { FAR, NEAR } from "../guest/rig.ts";
import { noVendor, VENDOR_KERNEL, vendorArchive } from "../guest/vendor.ts";
import { portsOfQueues } from "../rigs/queue-ports.ts";
import { answered } from "./echoes.ts";
import { type Cell, cells, onEachChip } from "./grid.ts";
import { linked } from "./linked.ts";
import { PORT as IPERF_PORT, stream } from "./streams.ts";
import { checkFrame } from "./wire-check.ts";

const BYTES = "4M";
const STREAMS = 8;
/** Least number of frames of a download of `BYTES`. */
const SEGMENTS = (4 << 20) / 1460;
const FLAPS = 5;
const LOADS = 3;
const JUMBO = 4000;
const ECHO_HEADERS = 28;
/** Longer than the period at which r8168 and r8125 check the PHY. */
const IDLE_MILLIS = 12_000;

/** Which of the two drivers supports the chip; undefined if neither does. */
const driverOf = ({ chip, kernel }: Cell): string | undefined => {
  if (kernel !== VENDOR_KERNEL || chip.bus !== "pcie") return undefined;
  if (chip.speed === 1000) return "r8168";
  return chip.die.startsWith("8125") ? "r8125" : undefined;
};
const known = (cell: Cell): boolean => driverOf(cell) !== undefined;

const skip = noRig() === false && cells().some(known) ? noVendor() : false;
const archives = noRig() === false && skip === false && cells().some(known) ? [vendorArchive()] : [];

/** The kernel's messages about out-of-tree modules, and these modules' messages about themselves. */
const WARNINGS = [
  /loading out-of-tree module taints kernel/,
  /module verification failed/,
  /Copyright \(C\) \d+ Realtek/,
  /ABSOLUTELY NO WARRANTY/,
  /free software/,
];

/**
 * Offences of both drivers. They write the same registers on every chip, whether it has them or not, handle an interrupt
 * while another processor resets the chip, and dump the counters of an RTL8125 even if bus mastering is off.
 */
const OFFENCES = ["buffer", "busMaster", "hurried", "unknown", "width"];

const OPTIONS = {
  bare: true,
  // With eight processors, the drivers use four receive queues.
  smp: 8,
  far: "inside",
  capture: true,
  skip,
  archives,
  warnings: WARNINGS,
  offences: OFFENCES,
  only: known,
} as const;

onEachChip("vendor", OPTIONS, (bench) => {
  const load = async (): Promise<void> => {
    const { rig, cell } = bench();
    await rig.guest.mustRun(`modprobe -a -q mii libphy ptp; insmod /vendor/${driverOf(cell)}.ko`);
    await rig.configure();
  };
  const fastest = async (): Promise<void> => {
    const { rig, cell } = bench();
    await linked(rig.guest, cell.chip.speed);
    assert.equal((await rig.nic.state()).link.speed, cell.chip.speed);
  };

  test("finds the chip, its address and its fastest link", async (t) => {
    const { rig, cell } = bench();
    await load();
    const output = await rig.guest.mustRun(`ethtool -i ${NEAR.name}`);
    assert.match(output, new RegExp(`driver: ${driverOf(cell)}\n`));
    assert.equal(
      (await rig.guest.mustRun(`cat /sys/class/net/${NEAR.name}/address`)).trim(),
      (await rig.nic.state()).mac,
    );
    await fastest();
    t.diagnostic(/version: \S+/.exec(output)![0]);
  });

  test("echoes of every length are answered", async () => {
    const { guest } = bench().rig;
    for (const size of [0, 17, 18, 19, 56, 999, 1472, 8000]) await answered(guest, `-c 5 -s ${size} ${FAR.ipv4}`);
  });

  test("streams pass both ways, with segmentation where the driver offers it, and every frame on the wire is correct", async () => {
    const { guest } = bench().rig;
    await guest.run(`ethtool -K ${NEAR.name} sg on tx on tso on`);
    // On the RTL8168E-VL the driver does not offer segmentation.
    assert.match(
      await guest.mustRun(`ethtool -k ${NEAR.name}`),
      /tcp-segmentation-offload: on|tx-tcp-segmentation: off \[fixed\]/,
    );
    await guest.mustRun("echo 40 >/proc/sys/net/ipv4/tcp_min_tso_segs");
    for (const flags of ["", "-R"]) await stream(bench().rig, `-n ${BYTES} ${flags}`);
    const faults = (await bench().rig.frames()).map(checkFrame).flatMap(({ faults }) => faults);
    assert.deepEqual(faults, []);
  });

  test("flows are received on several queues if the driver has them", async (t) => {
    const { rig, cell } = bench();
    const lines = async (): Promise<readonly (readonly [string, number])[]> => {
      const text = await rig.guest.mustRun(`grep ${NEAR.name} /proc/interrupts`);
      return [...text.matchAll(/^\s*\d+:((?:\s+\d+)+).*\s(\S+)$/gm)].map(([, counts, name]) => [
        name!,
        counts!
          .trim()
          .split(/\s+/)
          .reduce((sum, one) => sum + Number(one), 0),
      ]);
    };
    const before = new Map(await lines());
    await stream(rig, `-n ${BYTES} -P ${STREAMS} -R`);
    const busy = (await lines()).filter(([name, count]) => count - (before.get(name) ?? 0) > 0);
    t.diagnostic(busy.map(([name]) => name).join(", "));
    assert.ok(busy.length >= (driverOf(cell) === "r8125" && cell.chip.key !== "rtl8125a" ? 2 : 1));
  });

  test("each download is received in the queue that the hash of its addresses and ports selects", async (t) => {
    const { rig, cell } = bench();
    const variables = `/proc/net/${driverOf(cell)}/${NEAR.name}/debug/driver_var`;
    const variable = async (name: string): Promise<number> =>
      Number((await rig.guest.mustRun(`sed -n 's/^${name}\\t//p' ${variables}`)).trim());
    if (cell.chip.profile.queues.receive === 1) return t.skip("the chip has one receive queue");
    const queues = await variable("num_rx_rings");
    assert.equal(queues, 4);
    const [, digits] = /hash key:\s+(\S+)/.exec(await rig.guest.mustRun(`ethtool -x ${NEAR.name}`))!;
    const key = Buffer.from(digits!.replaceAll(":", ""), "hex");
    const ports = portsOfQueues({ key, queues, flows: 1 }, (port) => ({
      source: [FAR.ipv4, IPERF_PORT],
      destination: [NEAR.ipv4, port],
    }));
    for (const [queue, port] of ports.entries()) {
      const before = await variable(`cur_rx${queue}`);
      await stream(rig, `-n ${BYTES} -R --cport ${port}`);
      const frames = (await variable(`cur_rx${queue}`)) - before;
      assert.ok(frames >= SEGMENTS, `queue ${queue} received only ${frames} frames`);
    }
  });

  test(`the cable is unplugged and plugged ${FLAPS} times`, async () => {
    const { rig } = bench();
    for (let i = 0; i < FLAPS; i++) {
      await rig.nic.ask({ command: "link", up: false });
      await rig.carrier(false);
      await rig.nic.ask({ command: "link", up: true });
      await rig.carrier(true);
    }
    await fastest();
    await answered(rig.guest, `-c 20 ${FAR.ipv4}`);
  });

  test("the link comes up at each speed if the partner supports only that speed", async () => {
    const { rig, cell } = bench();
    const speeds = ([10, 100, 1000, 2500] as const).filter((speed: LinkSpeed) => speed <= cell.chip.speed);
    for (const speed of speeds) {
      await rig.nic.ask({ command: "partner", abilities: { speeds: [speed] } });
      await linked(rig.guest, speed);
      await answered(rig.guest, `-c 3 ${FAR.ipv4}`);
    }
    await rig.nic.ask({ command: "partner", abilities: {} });
    await fastest();
  });

  test("jumbo frames pass both ways", async () => {
    const { rig } = bench();
    await rig.guest.mustRun(`ip link set ${NEAR.name} mtu ${JUMBO}`);
    await rig.far.mustRun(`ip link set ${FAR.name} mtu ${JUMBO}`);
    await rig.carrier(true);
    await answered(rig.guest, `-c 10 -M do -s ${JUMBO - ECHO_HEADERS} ${FAR.ipv4}`);
    await rig.guest.mustRun(`ip link set ${NEAR.name} mtu 1500`);
    await rig.far.mustRun(`ip link set ${FAR.name} mtu 1500`);
    await rig.carrier(true);
  });

  test("the link stays up while idle", async () => {
    const { rig } = bench();
    await answered(rig.guest, `-c 3 ${FAR.ipv4}`);
    const changes = `cat /sys/class/net/${NEAR.name}/carrier_changes`;
    const before = await rig.guest.mustRun(changes);
    await sleep(IDLE_MILLIS);
    assert.equal(await rig.guest.mustRun(changes), before);
    await answered(rig.guest, `-c 20 ${FAR.ipv4}`);
  });

  test(`works each of ${LOADS} times that the driver is unloaded and loaded`, async () => {
    const { rig, cell } = bench();
    for (let i = 0; i < LOADS; i++) {
      await rig.guest.mustRun(`rmmod ${driverOf(cell)}`);
      await load();
      await answered(rig.guest, `-c 10 ${FAR.ipv4}`);
    }
  });
});
