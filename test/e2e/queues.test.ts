/** Several queues between two kernels: flows spread over them both ways, each in order, none lost. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { QueueCounts } from "#app/counters.ts";
import { openSession } from "#app/open-session.ts";
import { openServer } from "#app/serve/open-server.ts";
import type { DeviceSpec } from "#app/session.ts";
import { Interfaces } from "#sys/interface.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { eventually } from "../rigs/eventually.ts";
import { type FlowsTask, FlowsResult } from "../rigs/udp-flows.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
const FLOWS = 64;
const DATAGRAMS = 50;
const HERE = "10.81.70.1";
const THERE = "10.81.70.2";

const address = (namespace: NetworkNamespace, name: string, ip: string): void =>
  namespace.within(() => {
    using interfaces = Interfaces.open();
    interfaces.setIpv4(name, ip, 24);
    interfaces.up(name);
  });

const start = (task: Omit<FlowsTask, "result">): { worker: Worker; result: Int32Array } => {
  const result = new Int32Array(new SharedArrayBuffer(4 * FlowsResult.words));
  const worker = new Worker(new URL("../rigs/udp-flows.ts", import.meta.url), {
    workerData: { ...task, result: result.buffer },
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  return { worker, result };
};

/** Serves a model over vfio-user. */
const served = async (
  scope: AsyncDisposableStack,
  chip: string,
  wire: { readonly kind: "tap"; readonly name: string; readonly namespace: number },
): Promise<DeviceSpec> => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-queues-"));
  scope.defer(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "nic.sock");
  const mac = "02:00:5e:10:00:01";
  scope.use(await openServer({ chip, mac, socket: path, wire, capture: undefined, trace: undefined, strict: "error" }));
  return { kind: "vfio-user", path };
};

describe("ferrule up --queues", { skip }, () => {
  for (const [chip, queues, where] of [
    ["rtl8125b", 4, "one thread"],
    ["rtl8127a", 8, "one thread"],
    ["rtl8125b", 2, "a thread each"],
    ["rtl8125b", 4, "a thread for each queue"],
    ["rtl8126a-64a", 4, "two threads over vfio-user"],
  ] as const)
    test(`${chip} with ${queues} queues, driver and model in ${where}: no datagram of ${FLOWS} flows is lost, duplicated or out of order, and all queues carry some`, async () => {
      using near = NetworkNamespace.create();
      using far = NetworkNamespace.create();
      await using scope = new AsyncDisposableStack();
      const wire = { kind: "tap", name: "fw0", namespace: far.fd } as const;
      const session = scope.use(
        await openSession({
          device:
            where === "two threads over vfio-user"
              ? await served(scope, chip, wire)
              : { kind: "model", chip, wire, threads: where === "one thread" ? 1 : 2 },
          host: { name: "ft0", namespace: near.fd },
          mtu: 1500,
          queues,
          queueThreads: where === "a thread for each queue",
        }),
      );
      assert.deepEqual(session.facts.queues, { receive: queues, transmit: chip === "rtl8127a" ? 8 : 2 });
      await session.carrier(60_000);
      address(near, "ft0", HERE);
      address(far, "fw0", THERE);
      const workers: Worker[] = [];
      try {
        const echo = start({ namespace: near.fd, host: HERE, port: 7000 });
        workers.push(echo.worker);
        await eventually("the echo", () => Atomics.load(echo.result, FlowsResult.state) === 1 || undefined);
        const sender = start({
          namespace: far.fd,
          host: HERE,
          port: 7000,
          send: { flows: FLOWS, datagrams: DATAGRAMS },
        });
        workers.push(sender.worker);
        await eventually("all datagrams", () => Atomics.load(sender.result, FlowsResult.state) === 2 || undefined);
        assert.equal(sender.result[FlowsResult.good], FLOWS * DATAGRAMS);
        assert.equal(sender.result[FlowsResult.bad], 0);
      } finally {
        for (const worker of workers) await worker.terminate();
      }
      const { counts } = (await session.operate("queues", {})) as { counts: readonly QueueCounts[] };
      assert.equal(counts.length, queues);
      assert.ok(counts.every(({ receivedFrames }) => receivedFrames > 0));
      const senders = counts.filter(({ sentFrames }) => sentFrames > 0).length;
      assert.equal(senders, Math.min(queues, chip === "rtl8127a" ? 8 : 2));
      const { offences, wireDrops, sendDrops, receiveDrops, deviceNonsense } = session.statistics();
      assert.deepEqual(
        { offences, wireDrops, sendDrops, receiveDrops, deviceNonsense },
        { offences: 0, wireDrops: 0, sendDrops: 0, receiveDrops: 0, deviceNonsense: 0 },
      );
    });
});
