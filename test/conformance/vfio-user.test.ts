/** Our driver on our model over vfio-user. The direct rig tests both; this tests the transport between them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { Worker } from "node:worker_threads";
import { VfioUserDevice } from "#bus/vfio-user/client.ts";
import { type Nic, rtl8169 } from "#driver/rtl8169.ts";
import { RealClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { FRAME_WORDS } from "#kit/link.ts";
import { ffiProblem } from "#sys/ffi.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Poller } from "#sys/poll.ts";
import { eventually, LIMIT_MILLIS } from "../rigs/eventually.ts";
import { HERE, ends, payload, udp } from "../rigs/frames.ts";
import type { ModelReport, ModelTask } from "../rigs/vfio-user-model.ts";

const DMA_BYTES = 16 << 20;

/** A server in its thread, and its end. */
const withModel = async (act: (path: string, stop: () => Promise<ModelReport>) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-vfio-user-"));
  using bell = EventFd.create();
  const workerData: ModelTask = { path: join(folder, "nic.sock"), mac: "02:00:00:00:00:01", stop: bell.number };
  const worker = new Worker(new URL("../rigs/vfio-user-model.ts", import.meta.url), { workerData });
  let report: Promise<ModelReport> | undefined;
  const stop = (): Promise<ModelReport> => {
    report ??= once(worker, "message").then(([message]) => message as ModelReport);
    bell.signal();
    return report;
  };
  try {
    assert.deepEqual(await once(worker, "message"), ["listening"]);
    await act(workerData.path, stop);
  } finally {
    await stop();
    await worker.terminate();
    rmSync(folder, { recursive: true });
  }
};

/** A driver on the device at `path`, up and with a link. */
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

/** Interrupt, work, unmask, wait: until `done`, or the limit. */
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

/** Sends frames and takes them back from the mirror. */
const echo = (nic: Nic, device: VfioUserDevice, frames: readonly Uint8Array[]): Uint8Array[] => {
  using scratch = device.dma.allocate({ what: "frames", bytes: 1 << 18, align: 64, direction: "toDevice" });
  const burst = new Int32Array(64 * FRAME_WORDS);
  const offsets = new Int32Array(64);
  const back: Uint8Array[] = [];
  for (const [i, frame] of frames.entries()) {
    scratch.bytes.set(frame, (i % 64) * 2048);
    burst.set([scratch.offset + (i % 64) * 2048, frame.length, 0, 0]);
    assert.equal(nic.transmit(burst, 1), 1);
    const came = waitFor(nic, () => {
      const n = nic.receive(burst, 64);
      for (let j = 0; j < n; j++) {
        const [offset = 0, length = 0] = burst.subarray(j * FRAME_WORDS);
        back.push(nic.memory.bytes.slice(offset, offset + length));
        offsets[j] = offset;
      }
      nic.release(offsets, n);
      return back.length > i;
    });
    assert.ok(came, `frame ${i} did not come back`);
    nic.reclaim(offsets, 64);
  }
  return back;
};

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

suite("over vfio-user", { skip: ffiProblem()?.message ?? false }, () => {
  test("the driver finds the chip, its address and its link, and frames pass in both directions", async () => {
    await withModel(async (path, stop) => {
      {
        using scope = new DisposableStack();
        const { nic, device } = bringUp(path, scope);
        assert.equal(nic.xid, 0x541);
        assert.deepEqual(nic.address, HERE);
        const frames = Array.from({ length: 200 }, (_, i) => udp(ends(), payload(18 + i * 7, i)));
        const back = echo(nic, device, frames);
        for (const [i, frame] of frames.entries()) assert.deepEqual(back[i]!.subarray(12), frame.subarray(12));
        nic.down();
      }
      const { offences } = await stop();
      assert.deepEqual(
        Object.entries(offences).filter(([, n]) => n > 0),
        [],
      );
    });
  });

  test("several drivers, one after the other, each find a device as after power-on and leak nothing", async () => {
    await withModel(async (path, stop) => {
      const before = openDescriptors();
      for (let i = 0; i < 10; i++) {
        using scope = new DisposableStack();
        const { nic, device } = bringUp(path, scope);
        assert.equal(echo(nic, device, [udp(ends(), payload(100, i))]).length, 1);
      }
      // The server's thread closes its ends when it sees that we have gone.
      await eventually("the server's ends closed", () => openDescriptors() <= before);
      assert.equal(openDescriptors(), before);
      assert.equal((await stop()).clients, 10);
    });
  });

  test("the end of the server is handled as removal: registers read all ones, which the driver detects", async () => {
    await withModel(async (path, stop) => {
      using scope = new DisposableStack();
      const { nic, device } = bringUp(path, scope);
      assert.equal(device.whyLost(), undefined);
      await stop();
      device.setBusMaster(false);
      assert.notEqual(device.whyLost(), undefined);
      assert.throws(() => nic.interrupt(), { code: "DEVICE_GONE" });
      // Taking the driver away from it is quiet: a card that was pulled has stopped.
    });
  });
});
