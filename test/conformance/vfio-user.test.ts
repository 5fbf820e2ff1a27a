/** Our driver on our model over vfio-user: the suite of the direct rig for a chip of each generation, and the properties of this bus. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, describe, suite, test } from "node:test";
import { VfioUserDevice } from "#bus/vfio-user/client.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { type Chip, chipNamed, xidOf } from "#chip/chips.ts";
import { RealClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { FRAME_WORDS } from "#kit/link.ts";
import { ffiProblem } from "#sys/ffi.ts";
import { Poller } from "#sys/poll.ts";
import { eventually, LIMIT_MILLIS } from "../rigs/eventually.ts";
import { HERE, ends, payload, udp } from "../rigs/frames.ts";
import { GENERATIONS } from "../rigs/generations.ts";
import { vfioUserModel } from "../rigs/named-model.ts";
import { ServedModel } from "../rigs/vfio-user-model.ts";
import { openVfioUserRig, type Served, streamCable } from "../rigs/vfio-user.ts";
import { cannot } from "./cannot.ts";
import { conformance } from "./conformance.ts";

const DMA_BYTES = 16 << 20;

const withModel = async (act: (served: ServedModel) => Promise<void>): Promise<void> => {
  await using served = await ServedModel.start("rtl8168h");
  using cable = served.cable();
  cable.setCarrier(true);
  await act(served);
};

/** Starts a driver on the device at `path`, and waits for the link. */
const bringUp = (path: string, scope: DisposableStack): { nic: Nic; device: VfioUserDevice } => {
  const device = scope.use(VfioUserDevice.connect({ path, dmaBytes: DMA_BYTES }));
  const bound = scope.use(
    bind(rtl8169, device, { clock: new RealClock(), mtu: 1500, weaklyOrdered: process.arch !== "x64" }),
  );
  const nic = bound.driver;
  nic.up();
  assert.ok(
    waitFor(nic, () => nic.link.up),
    "no link",
  );
  return { nic, device };
};

/**
 * Handles interrupts and unmasks, until `done` returns true or `LIMIT_MILLIS` have passed. Returns whether `done`
 * returned true.
 */
const waitFor = (nic: Nic, done: () => boolean): boolean => {
  const poller = new Poller([nic.line.fd!]);
  const end = performance.now() + LIMIT_MILLIS;
  while (!done()) {
    if (performance.now() > end) return false;
    if (nic.line.take()) nic.interrupt();
    nic.unmask();
    if (!done()) poller.wait(50);
  }
  return true;
};

/** Sends frames to the far end, which returns each with its MAC addresses swapped. Returns the received frames. */
const echo = (served: ServedModel, nic: Nic, device: VfioUserDevice, frames: readonly Uint8Array[]): Uint8Array[] => {
  using cable = served.cable();
  using scratch = device.dma.allocate({ what: "frames", bytes: 1 << 18, align: 64, direction: "toDevice" });
  const { link } = nic.rings;
  const back: Uint8Array[] = [];
  for (const [i, frame] of frames.entries()) {
    scratch.bytes.set(frame, (i % 64) * 2048);
    link.burst.set([scratch.offset + (i % 64) * 2048, frame.length, 0, 0], 64 * FRAME_WORDS);
    assert.equal(link.transmit(64, 1), 1);
    cable.settle();
    for (const arrived of cable.take()) {
      const source = arrived.slice(6, 12);
      arrived.copyWithin(6, 0, 6);
      arrived.set(source);
      cable.deliver(arrived);
    }
    const received = waitFor(nic, () => {
      const n = link.receive(0, 64);
      for (let j = 0; j < n; j++) {
        const [offset = 0, length = 0] = link.burst.subarray(j * FRAME_WORDS);
        back.push(nic.memory.bytes.slice(offset, offset + length));
      }
      return back.length > i;
    });
    assert.ok(received, `frame ${i} did not come back`);
    link.sent();
  }
  return back;
};

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

const absent = ffiProblem()?.message ?? false;
const named = vfioUserModel();

/**
 * Declares the tests of the suite. @param served returns the NIC's server; called when a test runs, not when it is
 * declared
 */
const conforms = (chip: Chip, served: () => Served, more: Readonly<Record<string, string>> = {}): void =>
  conformance({
    open: (options) => openVfioUserRig(served(), options),
    chip: chip.key,
    xid: xidOf(chip),
    speed: chip.speed,
    cannot: { ...cannot(chip), ...more },
    absent,
  });

for (const key of named === undefined ? GENERATIONS : [])
  describe(`${key} over vfio-user`, () => {
    let served: ServedModel;
    before(async () => {
      served = await ServedModel.start(key);
    });
    after(async () => {
      const { offences } = await served.stop();
      await served[Symbol.asyncDispose]();
      assert.deepEqual(
        Object.entries(offences).filter(([, n]) => n > 0),
        [],
      );
    });
    conforms(chipNamed(key)!, () => served);
  });

if (named !== undefined)
  describe(`${named.chip.key} that ${named.socket} serves`, () => {
    const { socket: path, chip } = named;
    const pulled = "the cable of a server that is already running cannot be unplugged";
    conforms(chip, () => ({ path, chip, slowLink: true, cable: () => streamCable(named.cable) }), {
      "the link follows the cable, also under traffic": pulled,
      "without a cable there is no link, and no error": pulled,
      "a ring without room loses frames, counts them and recovers": "a server may hold frames until there is room",
      "short frames are padded with zeros to Ethernet's minimum": "the stream socket carries no padding",
    });
  });

suite("over vfio-user", { skip: absent }, () => {
  test("the driver finds the chip, its address and its link, and frames pass in both directions", async () => {
    await withModel(async (served) => {
      {
        using scope = new DisposableStack();
        const { nic, device } = bringUp(served.path, scope);
        assert.equal(nic.xid, 0x541);
        assert.deepEqual(nic.address, HERE);
        const frames = Array.from({ length: 200 }, (_, i) => udp(ends(), payload(18 + i * 7, i)));
        const back = echo(served, nic, device, frames);
        for (const [i, frame] of frames.entries()) assert.deepEqual(back[i]!.subarray(12), frame.subarray(12));
        nic.down();
      }
      const { offences } = await served.stop();
      assert.deepEqual(
        Object.entries(offences).filter(([, n]) => n > 0),
        [],
      );
    });
  });

  test("several drivers, one after the other, each find a device as after power-on and leak nothing", async () => {
    await withModel(async (served) => {
      const before = openDescriptors();
      for (let i = 0; i < 10; i++) {
        using scope = new DisposableStack();
        const { nic, device } = bringUp(served.path, scope);
        assert.equal(echo(served, nic, device, [udp(ends(), payload(100, i))]).length, 1);
      }
      // The server's thread closes its descriptors when it detects that the client has closed the connection.
      await eventually("the closing of the server's descriptors", () => openDescriptors() <= before);
      assert.equal(openDescriptors(), before);
      assert.equal((await served.stop()).clients, 10);
    });
  });

  test("the end of the server is handled as removal: registers read all ones, which the driver detects", async () => {
    await withModel(async (served) => {
      using scope = new DisposableStack();
      const { nic, device } = bringUp(served.path, scope);
      assert.equal(device.whyLost(), undefined);
      await served.stop();
      device.setBusMaster(false);
      assert.notEqual(device.whyLost(), undefined);
      assert.throws(() => nic.interrupt(), { code: "DEVICE_GONE" });
      // Disposing unbinds the driver from the removed card, without an error.
    });
  });
});
