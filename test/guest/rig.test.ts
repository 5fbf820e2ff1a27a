import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noRig } from "./available.ts";
import { Guest } from "./guest.ts";
import { FAR, Rig } from "./rig.ts";

describe("a controlled guest", { skip: noRig(), timeout: 300_000 }, () => {
  test("runs commands, tells their exit codes and output apart, and ends those that take too long", async () => {
    await using guest = await Guest.boot();
    const ran = await guest.run("echo out; echo err >&2; exit 3");
    assert.deepEqual([ran.exit, ran.stdout, ran.stderr], [3, "out\n", "err\n"]);
    const [slow, quick] = await Promise.all([guest.run("sleep 60", 1000), guest.run("echo quick")]);
    assert.equal(slow.exit, 124);
    assert.equal(quick.stdout, "quick\n");
    const { bytes } = await guest.run("head -c 300000 /dev/zero");
    assert.equal(bytes.length, 300_000);
    await assert.rejects(guest.must("exit 1"), /ended with 1/);
  });

  test("comes back from a reset, and from its own reboot, as new", async () => {
    await using guest = await Guest.boot();
    await guest.must("touch /tmp/before");
    await guest.reset();
    assert.notEqual((await guest.run("ls /tmp/before")).exit, 0);
    await guest.reboot();
    assert.match(await guest.must("uname -r"), /^6\.12/);
  });

  test("sleeps and wakes with what it had in memory", async () => {
    await using guest = await Guest.boot({ suspends: true });
    await guest.must("echo kept >/tmp/before");
    const { awake } = await guest.suspend();
    await guest.wake();
    assert.equal((await awake).exit, 0);
    assert.equal(await guest.must("cat /tmp/before"), "kept\n");
  });

  test("has a NIC of ours, and a machine at the other end of its cable", async () => {
    await using rig = await Rig.open({ chip: "rtl8168h", capture: true });
    await rig.up();
    assert.match(await rig.guest.must(`ping -c 3 -i 0.2 ${FAR.ipv4}`), / 0% packet loss/);
    assert.ok((await rig.frames()).length >= 6);
  });
});
