import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { answered } from "../conformance-guest/echoes.ts";
import { noRig } from "./available.ts";
import { Guest } from "./guest.ts";
import { Leftovers } from "./leftovers.ts";
import { FAR, NEAR, Rig } from "./rig.ts";

describe("a controlled guest", { skip: noRig() }, () => {
  test("runs commands, returns their exit codes and output, and ends those that take too long", async () => {
    await using guest = await Guest.boot();
    const ran = await guest.run("echo out; echo err >&2; exit 3");
    assert.deepEqual([ran.exit, ran.stdout, ran.stderr], [3, "out\n", "err\n"]);
    const [slow, quick] = await Promise.all([guest.run("sleep 60", 1000), guest.run("echo quick")]);
    assert.equal(slow.exit, 124);
    assert.equal(quick.stdout, "quick\n");
    const { bytes } = await guest.run("head -c 300000 /dev/zero");
    assert.equal(bytes.length, 300_000);
    await assert.rejects(guest.mustRun("exit 1"), /ended with 1/);
  });

  test("restarts after a reset, and after its own reboot", async () => {
    await using guest = await Guest.boot();
    await guest.mustRun("touch /tmp/before");
    await guest.reset();
    assert.notEqual((await guest.run("ls /tmp/before")).exit, 0);
    await guest.reboot();
    assert.match(await guest.mustRun("uname -r"), /^6\.12/);
  });

  test("sleeps and wakes with its memory preserved", async () => {
    await using guest = await Guest.boot({ suspends: true });
    await guest.mustRun("echo kept >/tmp/before");
    const { awake } = await guest.suspend();
    await guest.wake();
    assert.equal((await awake).exit, 0);
    assert.equal(await guest.mustRun("cat /tmp/before"), "kept\n");
  });

  test("has our NIC, and a machine at the other end of its cable", async () => {
    await using rig = await Rig.open({ chip: "rtl8168h", capture: true });
    await rig.up();
    assert.match(await rig.guest.mustRun(`ping -c 3 -i 0.2 ${FAR.ipv4}`), / 0% packet loss/);
    assert.ok((await rig.frames()).length >= 6);
  });
});

/** Pauses a guest for most of the time, as a busy machine does, until disposed. */
const slowDown = ({ qmp }: Guest, heldMillis: number, runningMillis: number): AsyncDisposable => {
  const over = new AbortController();
  const work = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await qmp.execute("stop");
      await sleep(heldMillis);
      await qmp.execute("cont");
      await sleep(runningMillis);
    }
  };
  const done = work();
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await done;
    },
  };
};

describe("a rig on a busy machine, and across tests", { skip: noRig() }, () => {
  let rig: Rig;
  before(async () => {
    rig = await Rig.open({ chip: "rtl8168h" });
    await rig.up();
  });
  after(() => rig?.[Symbol.asyncDispose]());

  test("a delayed guest has time to reply", async () => {
    await using _slow = slowDown(rig.guest, 400, 30);
    for (let i = 0; i < 3; i++) await answered(rig.far, `-c 3 ${NEAR.ipv4}`);
  });

  test("processes and interfaces left by a test at either end are named and removed", async () => {
    const leftovers = await Leftovers.since(rig);
    await rig.guest.mustRun("(exec sleep 1000) >/dev/null 2>&1 & ip link add link eth0 name left type macvlan");
    await using _left = await rig.far.start("exec sleep 2000");
    const first = await leftovers.remove();
    assert.deepEqual([...first].toSorted(), [
      "the far end's process sleep 2000",
      "the guest's process sleep",
      "the interface left of the guest",
    ]);
    assert.deepEqual(await leftovers.remove(), []);
  });

  test("background processes end with their owner, including children", async () => {
    const leftovers = await Leftovers.since(rig);
    for (const end of [rig.guest, rig.far]) {
      await using background = await end.start("sleep 1000 & echo started; sleep 1000");
      await background.waitFor(/started/);
    }
    assert.deepEqual(await leftovers.remove(), []);
  });

  test("cable, partner, wire and device are restored after a test has changed them", async () => {
    const { nic } = rig;
    await nic.ask({ command: "partner", abilities: { speeds: [100] } });
    await nic.ask({ command: "wire", name: "loss", directions: ["in"], probability: 1 });
    await nic.ask({ command: "fault", name: "stuck-reset" });
    await nic.ask({ command: "link", up: false });
    assert.equal(await nic.restore(), true);
    await rig.linked();
    const { cable, link, wire, faults } = await nic.state();
    assert.deepEqual([cable, link.speed, wire.in.armed, faults], [true, 1000, {}, []]);
    assert.equal(await nic.restore(), false);
    await answered(rig.guest, `-c 3 ${FAR.ipv4}`);
  });
});
