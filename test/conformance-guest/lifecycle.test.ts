/**
 * Starts and stops drivers and machines repeatedly. The device must work every time, and its server must keep no
 * resources of earlier clients.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { noRig } from "../guest/available.ts";
import { Guest } from "../guest/guest.ts";
import { Nic } from "../guest/nic.ts";
import { FAR, NEAR, type Rig } from "../guest/rig.ts";
import { eventually, LIMIT_MILLIS } from "../rigs/eventually.ts";
import { answered } from "./echoes.ts";
import { cells, complaints, onEachChip } from "./grid.ts";

const LOADS = 20;
const BINDS = 3;
const CLIENTS = 2;
const QUIET_MILLIS = 300;

/** Resources held for clients in the server's process: open descriptors, and mappings of guest memory. */
const holdings = (nic: Nic): { readonly descriptors: number; readonly maps: number } => {
  const pid = /"pid":(\d+)/.exec(nic.output)![1]!;
  const maps = readFileSync(`/proc/${pid}/maps`, "latin1").match(/ \/memfd:/g);
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, maps: maps?.length ?? 0 };
};

/**
 * The server's resources once its control socket is idle: the connection of the last request stays open for a moment.
 */
const settled = async (nic: Nic): Promise<ReturnType<typeof holdings>> => {
  await sleep(QUIET_MILLIS);
  return holdings(nic);
};

const works = ({ guest }: Rig): Promise<void> => answered(guest, `-c 3 ${FAR.ipv4}`);

/** Starts endless echo requests from the far end, and waits until the first have been answered. */
const flood = async ({ far, nic }: Rig): Promise<AsyncDisposable> => {
  const before = (await nic.state()).traffic;
  await using scope = new AsyncDisposableStack();
  scope.use(await far.start(`exec ping -q -i 0.005 ${NEAR.ipv4}`));
  await eventually("traffic both ways", async () => {
    const { sentFrames, receivedFrames } = (await nic.state()).traffic;
    return sentFrames > before.sentFrames && receivedFrames > before.receivedFrames;
  });
  return scope.move();
};

/** Discards the kernel's messages about the machine, and brings the driver up until echoes are answered. */
const comeUp = async (rig: Rig): Promise<void> => {
  await rig.guest.clearDmesg();
  await rig.up();
  await works(rig);
};

/** Waits until the server holds no more resources than expected. A request to it holds a descriptor for a moment. */
const assertHolds = async (nic: Nic, expected: ReturnType<typeof holdings>): Promise<void> => {
  await eventually(
    () => `a server with at most ${JSON.stringify(expected)}, not ${JSON.stringify(holdings(nic))}`,
    () => {
      const { descriptors, maps } = holdings(nic);
      return descriptors <= expected.descriptors && maps <= expected.maps;
    },
  );
};

onEachChip("lifecycle", {}, (bench) => {
  let before: ReturnType<typeof holdings>;

  test(`works each of ${LOADS} times that the driver is unloaded and loaded`, async () => {
    const { rig } = bench();
    await works(rig);
    before = await settled(rig.nic);
    for (let i = 0; i < LOADS; i++) {
      await rig.guest.mustRun("rmmod r8169");
      assert.deepEqual(await complaints(rig), []);
      await rig.up();
      await works(rig);
    }
    await assertHolds(rig.nic, before);
  });

  test(`works each of ${BINDS} times that the driver is unbound under traffic and bound again`, async () => {
    const { rig } = bench();
    const place = (await rig.guest.mustRun(`basename $(readlink /sys/class/net/${NEAR.name}/device)`)).trim();
    for (let i = 0; i < BINDS; i++) {
      await using _traffic = await flood(rig);
      await rig.guest.mustRun(`cd /sys/bus/pci/drivers/r8169; echo ${place} >unbind; echo ${place} >bind`);
      await rig.configure();
      await works(rig);
    }
    await assertHolds(rig.nic, before);
  });

  test("works after the guest rebooted with the driver running", async () => {
    const { rig } = bench();
    await rig.guest.reboot();
    await comeUp(rig);
    await assertHolds(rig.nic, before);
  });

  test("works after the machine was reset under traffic", async () => {
    const { rig } = bench();
    {
      await using _traffic = await flood(rig);
      await rig.guest.reset();
    }
    await comeUp(rig);
    await assertHolds(rig.nic, before);
    assert.equal((await rig.nic.state()).clients, 1);
  });
});

describe("lifecycle, one guest after another", { skip: noRig() }, () => {
  for (const { chip, kernel } of cells())
    describe(`${chip.key} on Linux ${kernel}`, { timeout: 3 * LIMIT_MILLIS }, () => {
      test(`the server keeps no resources of ${CLIENTS} guests whose QEMU was killed`, async (t) => {
        const folder = mkdtempSync(join(tmpdir(), "ferrule-nic-"));
        await using scope = new AsyncDisposableStack();
        scope.defer(() => rmSync(folder, { recursive: true, force: true }));
        const options = { chip: chip.key, socket: join(folder, "nic"), wire: "responder" };
        const nic = scope.use(await Nic.serve(undefined, options));
        // The server's resources without guests. After each guest, the server must hold no more than these.
        const alone = await settled(nic);
        for (let i = 1; i <= CLIENTS; i++) {
          await using guest = await Guest.boot({ kernel, devices: nic.device() });
          const { name } = NEAR;
          await guest.mustRun(`modprobe r8169; ip link set ${name} up; ip addr add 10.70.0.1/24 dev ${name}`);
          await guest.mustRun(`until [ $(cat /sys/class/net/${name}/carrier) = 1 ]; do sleep 0.05; done`);
          await answered(guest, "-c 3 10.70.0.2");
          const held = holdings(nic);
          assert.ok(held.maps > alone.maps && held.descriptors > alone.descriptors);
          t.diagnostic(
            `${held.descriptors - alone.descriptors} descriptors and ${held.maps - alone.maps} maps for guest ${i}`,
          );
          await guest[Symbol.asyncDispose]();
          await eventually("a server without a client", async () => (await nic.state()).client === 0);
          await assertHolds(nic, alone);
          assert.equal((await nic.state()).clients, i);
        }
        assert.deepEqual(nic.offences, []);
      });
    });
});
