/**
 * The model's RTL8168H as a card of a guest that is suspended: ten times in a row, our driver arms wake-up and suspends
 * the card through the guest's kernel and VFIO, a magic packet arrives, the guest wakes, and traffic continues.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { answered } from "../conformance-guest/echoes.ts";
import { Nic } from "../guest/nic.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { eventually } from "../rigs/eventually.ts";
import { noVfio } from "./available.ts";
import { assertNoOffence } from "./no-offence.ts";
import { Machine } from "./machine.ts";

const CARD = "0000:00:06.0";
const INTERFACE = "fe0";
const FAR = "10.70.0.2";
const NEAR = "10.70.0.1/24";
const PREPARED = "cp /etc/passwd.rig /etc/passwd; modprobe -a tun r8169 vfio-pci af_packet";
const NIGHTS = 10;
const D3HOT = 3;
/** Time for which the kernel keeps the devices suspended. */
const NIGHT_SECONDS = 2;

describe("a suspended guest with the model as its card", { skip: noVfio() }, () => {
  const scope = new AsyncDisposableStack();
  let nic: Nic;
  let machine: Machine;

  before(async () => {
    const folder = scratchFolder();
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    nic = scope.use(await Nic.serve(undefined, { chip: "rtl8168h", socket: join(folder, "nic"), wire: "responder" }));
    machine = scope.use(
      await Machine.boot({
        devices: nic.device({ bus: "pcie.0", addr: CARD.slice(-4, -2) }),
        prepared: PREPARED,
        append: ["intel_iommu=on", `suspend.pm_test_delay=${NIGHT_SECONDS}`, "no_console_suspend"],
      }),
    );
    await machine.mustRun(`bind ${CARD}`);
    await machine.up(CARD, INTERFACE, "", "--wake g");
    await machine.guest.mustRun(`ip link set ${INTERFACE} up; ip addr add ${NEAR} dev ${INTERFACE}`);
  });
  after(() => scope.disposeAsync());

  const wakes = (): number => nic.output.split("\n").filter((line) => line.startsWith('{"event":"wake"')).length;

  test("sleeps, is woken by a magic packet, and carries traffic again, ten times in a row", async (t) => {
    const pings = await machine.guest.start(`exec ping -i 0.05 ${FAR}`);
    for (let night = 0; night < NIGHTS; night++) {
      // While the NIC slept, ARP requests were not answered. The kernel repeats them at intervals.
      await machine.guest.mustRun(`until ping -q -c 1 -W 1 ${FAR}; do sleep 0.1; done`);
      const before = wakes();
      await machine.mustRun(`suspend ${INTERFACE}`);
      assert.equal((await nic.state()).powerState, D3HOT);
      const { awake } = await machine.guest.suspendDevices();
      // The first magic packet may arrive before the kernel has enabled PME.
      await eventually("PME", async () => {
        await nic.ask({ command: "magic" });
        return wakes() > before;
      });
      assert.equal((await awake).exit, 0);
      await machine.mustRun(`resume ${INTERFACE}`);
      assert.equal((await nic.state()).powerState, 0);
      await machine.guest.mustRun(`until [ "$(cat /sys/class/net/${INTERFACE}/carrier)" = 1 ]; do sleep 0.05; done`);
    }
    await machine.guest.mustRun(`until ping -q -c 1 -W 1 ${FAR}; do sleep 0.1; done`);
    await answered(machine.guest, `-c 20 ${FAR}`);
    await pings[Symbol.asyncDispose]();
    await assertNoOffence(nic);
    t.diagnostic(`${wakes()} wake-ups`);
  });
});
