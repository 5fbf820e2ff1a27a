/**
 * Tests several queues between two kernels. Flows must spread over the queues both ways, each flow must stay in order,
 * and no frame may be lost.
 */
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
import { KEY } from "#driver/rss.ts";
import { Interfaces } from "#sys/interface.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { eventually } from "../rigs/eventually.ts";
import { portsOfQueues } from "../rigs/queue-ports.ts";
import { DownloadsResult, type DownloadsTask, FILE_BYTES } from "../rigs/tcp-flows.ts";
import { type FlowsTask, FlowsResult } from "../rigs/udp-flows.ts";

const skip = (whyNoNamespace() ?? whyNoTap())?.message ?? false;
/** Number of flows of datagrams, equally many for each queue. */
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

/** Payload length of a TCP segment with timestamps at an MTU of 1500. */
const SEGMENT_BYTES = 1448;
const PORT = 8000;

/** Starts a worker thread that runs `test/rigs/RIG.ts`. @param words length of its result in 32-bit words */
const start = <T extends { readonly result: SharedArrayBuffer }>(
  rig: "tcp-flows" | "udp-flows",
  task: Omit<T, "result">,
  words: number,
): { worker: Worker; result: Int32Array } => {
  const result = new Int32Array(new SharedArrayBuffer(4 * words));
  const worker = new Worker(new URL(`../rigs/${rig}.ts`, import.meta.url), {
    workerData: { ...task, result: result.buffer },
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  return { worker, result };
};
const startFlows = (task: Omit<FlowsTask, "result">) => start<FlowsTask>("udp-flows", task, FlowsResult.words);
const startDownloads = (task: Omit<DownloadsTask, "result">) =>
  start<DownloadsTask>("tcp-flows", task, DownloadsResult.words);

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
    ["rtl8127a", 8, "a thread for each queue"],
    ["rtl8126a-64a", 4, "two threads over vfio-user"],
  ] as const)
    test(`${chip} with ${queues} queues, driver and model in ${where}: no datagram of ${FLOWS} flows is lost, duplicated or out of order, and each comes through its flow's queue`, async () => {
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
        const echo = startFlows({ namespace: near.fd, host: HERE, port: PORT });
        workers.push(echo.worker);
        await eventually("the echo", () => Atomics.load(echo.result, FlowsResult.state) === 1 || undefined);
        const sender = startFlows({
          namespace: far.fd,
          host: HERE,
          port: PORT,
          send: {
            from: portsOfQueues({ key: KEY, queues, flows: FLOWS / queues }, (port) => ({
              source: [THERE, port],
              destination: [HERE, PORT],
            })),
            datagrams: DATAGRAMS,
          },
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
      const ofQueue = (FLOWS / queues) * DATAGRAMS;
      assert.ok(counts.every(({ receivedFrames }) => receivedFrames >= ofQueue));
      const senders = counts.filter(({ sentFrames }) => sentFrames > 0).length;
      assert.equal(senders, Math.min(queues, chip === "rtl8127a" ? 8 : 2));
      const { offences, wireDrops, sendDrops, receiveDrops, deviceNonsense } = session.statistics();
      assert.deepEqual(
        { offences, wireDrops, sendDrops, receiveDrops, deviceNonsense },
        { offences: 0, wireDrops: 0, sendDrops: 0, receiveDrops: 0, deviceNonsense: 0 },
      );
    });

  for (const chip of ["rtl8125b", "rtl8168h"])
    test(`${chip} with 4 queues: each TCP download comes through the queue that the hash of its addresses and ports selects`, async () => {
      using near = NetworkNamespace.create();
      using far = NetworkNamespace.create();
      await using scope = new AsyncDisposableStack();
      const wire = { kind: "tap", name: "fw0", namespace: far.fd } as const;
      const session = scope.use(
        await openSession({
          device: { kind: "model", chip, wire, threads: 1 },
          host: { name: "ft0", namespace: near.fd },
          mtu: 1500,
          queues: 4,
        }),
      );
      await session.carrier(60_000);
      address(near, "ft0", HERE);
      address(far, "fw0", THERE);
      const received = async (): Promise<readonly number[]> => {
        const { counts } = (await session.operate("queues", {})) as { counts: readonly QueueCounts[] };
        return counts.map(({ receivedFrames }) => receivedFrames);
      };
      const server = startDownloads({ namespace: far.fd, host: THERE, port: PORT });
      scope.defer(async () => void (await server.worker.terminate()));
      await eventually("the server", () => Atomics.load(server.result, DownloadsResult.state) === 1 || undefined);
      const before = await received();
      const from = portsOfQueues({ key: KEY, queues: 4, flows: 1 }, (port) => ({
        source: [THERE, PORT],
        destination: [HERE, port],
      }));
      const client = startDownloads({ namespace: near.fd, host: THERE, port: PORT, from });
      scope.defer(async () => void (await client.worker.terminate()));
      await eventually("all downloads", () => Atomics.load(client.result, DownloadsResult.state) === 2 || undefined);
      assert.equal(client.result[DownloadsResult.complete], 4);
      const after = await received();
      const segments = Math.ceil(FILE_BYTES / SEGMENT_BYTES);
      for (const [queue, frames] of after.entries())
        assert.ok(
          frames - before[queue]! >= segments,
          `queue ${queue} received only ${frames - before[queue]!} frames`,
        );
    });
});
