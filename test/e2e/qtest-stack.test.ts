/** The kernel's own TCP over our driver on QEMU's RTL8139C+, without a guest: TAP on one side, QEMU's user network on the other. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { TapUplink } from "#host/tap-uplink.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Tap } from "#sys/tap.ts";
import type { EchoTask } from "../rigs/echo-client.ts";
import { LIMIT_MILLIS } from "../rigs/eventually.ts";
import { openQtestRig } from "../rigs/qtest.ts";
import { noTwoEnds } from "../rigs/skip.ts";

const BYTES = 8 << 20;
const ARENA_BYTES = 1 << 20;
const BUDGET = 64;
/** The address at which QEMU starts `cat` as an echo server. */
const ECHO = { host: "10.0.2.100", port: 7 };

test(
  "eight megabytes both ways by the kernel's TCP",
  { skip: noTwoEnds(["ip", "qemu-system-x86_64", "setpriv", "cat"]) },
  async (t) => {
    using namespace = NetworkNamespace.create();
    using tap = namespace.within(() => Tap.open("fe0", { vnetHeader: true }));
    using rig = openQtestRig({ cable: "user network", echo: ECHO });
    const { nic, device } = rig;
    tap.address = nic.address;
    rig.up();
    const ip = (...words: string[]): void => void namespace.within(() => execFileSync("ip", words));
    ip("address", "add", "10.0.2.15/24", "dev", "fe0");
    ip("link", "set", "fe0", "up");
    const sendArena = device.dma.allocate({
      what: "send arena",
      bytes: ARENA_BYTES,
      align: 4096,
      direction: "toDevice",
    });
    using uplink = new TapUplink({
      tap,
      link: nic.up(),
      sendArena,
      offloads: nic.offloads,
    });
    tap.setCarrier(nic.link.up);

    const progress = new SharedArrayBuffer(4);
    const good = new Int32Array(progress);
    const workerData: EchoTask = { namespace: namespace.fd, ...ECHO, bytes: BYTES, progress };
    const client = new Worker(new URL("../rigs/echo-client.ts", import.meta.url), { workerData });
    const start = performance.now();
    try {
      while (Atomics.load(good, 0) >= 0 && Atomics.load(good, 0) < BYTES) {
        assert.ok(performance.now() < start + LIMIT_MILLIS, `only ${good[0]} bytes came back in time`);
        if (nic.line.take()) nic.interrupt();
        const moved = uplink.pumpOut(BUDGET) + uplink.pumpIn(BUDGET);
        nic.unmask();
        if (moved > 0) continue;
        device.wait(1);
        // A worker starts only while its parent's event loop runs.
        await new Promise(setImmediate);
      }
    } finally {
      await client.terminate();
    }
    assert.equal(good[0], BYTES);
    const seconds = (performance.now() - start) / 1000;
    const { superFrames, checksums } = {
      superFrames: nic.rings.transmit.counters()[2]!,
      checksums: nic.rings.transmit.counters()[3]!,
    };
    t.diagnostic(
      `${(BYTES / seconds / 1e6).toFixed(1)} MB/s each way; ${superFrames} super-frames, ${device.interrupts.raised} interrupts`,
    );
    assert.ok(superFrames > 0, "the kernel sent no frame for the NIC to segment");
    assert.ok(checksums > 0);
    assert.equal(uplink.counters.sendDrops + uplink.counters.receiveDrops, 0);
  },
);
