import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { MemoryRegion } from "#kit/target.ts";
import { Poller } from "#sys/poll.ts";
import { type AnswererTask, contentAt } from "./answerer.test-kit.ts";
import { DMA_ACCESS, DMA_MAP, REGION_ACCESS } from "./codec.ts";
import { BAR, Rig, body, message, versionBody } from "./peer.test-kit.ts";
import { Command, Flag, MapFlag, Refused } from "./protocol.ts";

const ADDRESS = 0x5_0000_0000;

/**
 * Writes the client's replies, and other messages before them, to the socket before the device sends its requests,
 * because everything runs in one thread. Requests are numbered from 0.
 */
const prepare = (rig: Rig, ...bytes: readonly Uint8Array[]): void => {
  for (const one of bytes) rig.peer.send(one);
};
const answer = (id: number, command: number, data: Uint8Array, error = 0): Uint8Array => {
  const bytes = message(id, command, data, error === 0 ? Flag.reply : Flag.reply | Flag.error);
  bytes[12] = error;
  return bytes;
};
const memoryAnswer = (id: number, address: number, data: readonly number[]): Uint8Array =>
  answer(id, Command.dmaRead, body(DMA_ACCESS, { address, count: data.length }, Uint8Array.from(data)));

const remote = (rig: Rig, size = 1 << 20): MemoryRegion => {
  const values = { argsz: 32, flags: MapFlag.read | MapFlag.write, offset: 0, address: ADDRESS, size };
  assert.equal(rig.error(Command.dmaMap, body(DMA_MAP, values)), 0);
  return rig.device.memory!.region(ADDRESS, 1)!;
};

test("memory without a descriptor is read by messages", () => {
  using rig = new Rig();
  const region = remote(rig);
  prepare(rig, memoryAnswer(0, ADDRESS + 16, [1, 2, 3, 4]));
  assert.ok(region.copy?.fetch(16, 4));
  assert.deepEqual([...region.bytes.subarray(15, 21)], [0, 1, 2, 3, 4, 0]);
  const asked = rig.peer.receive();
  assert.ok(asked !== undefined && asked !== "closed");
  assert.equal(asked.command, Command.dmaRead);
  assert.equal(asked.flags, Flag.request);
  assert.deepEqual([...asked.body], [...body(DMA_ACCESS, { address: ADDRESS + 16, count: 4 })]);
});

test("writes of the device are sent, and the device waits for the replies", () => {
  using rig = new Rig();
  const region = remote(rig);
  region.bytes.set([5, 6, 7], 100);
  prepare(rig, answer(0, Command.dmaWrite, new Uint8Array(0)));
  assert.ok(region.copy?.store(100, 3));
  const asked = rig.peer.receive();
  assert.ok(asked !== undefined && asked !== "closed");
  assert.deepEqual(
    [...asked.body],
    [...body(DMA_ACCESS, { address: ADDRESS + 100, count: 3 }, Uint8Array.of(5, 6, 7))],
  );
});

/** Factor for the server's time limits, because the other thread may have to wait for a processor. */
const SLOWER = 600;

/** Runs `act` while another thread replies to `questions` requests. Resolves with the byte count of each request. */
const answering = async (rig: Rig, questions: number, act: () => void): Promise<readonly number[]> => {
  const workerData: AnswererTask = { socket: rig.peer.socket.number, questions };
  const worker = new Worker(new URL("./answerer.test-kit.ts", import.meta.url), { workerData });
  const counts = new Promise<readonly number[]>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await new Promise((resolve) => void worker.once("online", resolve));
  const now = performance.now.bind(performance);
  const clock = mock.method(performance, "now", () => now() / SLOWER);
  try {
    act();
  } finally {
    clock.mock.restore();
  }
  return counts;
};

test("longer data is divided into several messages", async () => {
  using rig = new Rig(versionBody('{"capabilities":{"max_data_xfer_size":4096}}'));
  const region = remote(rig);
  const counts = await answering(rig, 3, () => assert.ok(region.copy?.fetch(100, 10_000)));
  assert.deepEqual(counts, [4096, 4096, 1808]);
  assert.ok(region.bytes.subarray(100, 10_100).every((byte, i) => byte === contentAt(ADDRESS + 100 + i)));
});

test("an error, a short reply, or a reply to another request gives no data", () => {
  using rig = new Rig();
  const region = remote(rig);
  prepare(rig, answer(0, Command.dmaRead, new Uint8Array(0), Refused.ENOENT));
  assert.equal(region.copy?.fetch(0, 4), false);
  prepare(rig, memoryAnswer(1, ADDRESS, [1, 2, 3]));
  assert.equal(region.copy.fetch(0, 4), false);
  assert.equal(rig.complaints.length, 0);
  prepare(rig, answer(2, Command.dmaWrite, new Uint8Array(0)));
  assert.equal(region.copy.fetch(0, 4), false);
  assert.deepEqual([...region.bytes.subarray(0, 4)], [0, 0, 0, 0]);
  rig.assertDropped(/it sent a reply without a request/);
});

test("a reply without a request ends the connection", () => {
  using rig = new Rig();
  rig.peer.send(memoryAnswer(0, 0, [1]));
  rig.assertDropped(/a reply without a request/);
});

test("while the device waits, the guest's accesses are executed in order", () => {
  using rig = new Rig();
  const region = remote(rig);
  const write = body(REGION_ACCESS, { region: BAR, offset: 0, count: 4 }, Uint8Array.of(1, 0, 0, 0));
  const read = body(REGION_ACCESS, { region: BAR, offset: 0, count: 4 });
  prepare(
    rig,
    message(7, Command.regionWrite, write, Flag.noReply),
    message(8, Command.regionRead, read),
    memoryAnswer(0, ADDRESS, [9]),
  );
  assert.ok(region.copy?.fetch(0, 1));
  assert.equal(region.bytes[0], 9);
  assert.deepEqual(rig.device.accesses.slice(-2), ["w32 2 0=1", "r32 2 0"]);
  const asked = rig.peer.receive();
  const reply = rig.peer.receive();
  assert.ok(asked !== undefined && asked !== "closed" && reply !== undefined && reply !== "closed");
  assert.equal(asked.command, Command.dmaRead);
  assert.equal(reply.id, 8);
});

test("earlier requests of the client are executed before its reply", () => {
  using rig = new Rig();
  const region = remote(rig);
  let read = 0;
  rig.device.onWrite = () => {
    rig.peer.send(memoryAnswer(0, ADDRESS, [3]));
    if (region.copy?.fetch(0, 1) === true) read = region.bytes[0]!;
  };
  // The server receives both requests at once. Like QEMU, the client replies to the device only after the second
  // request was executed.
  const write = body(REGION_ACCESS, { region: BAR, offset: 0, count: 1 }, Uint8Array.of(1));
  const ask = body(REGION_ACCESS, { region: BAR, offset: 0, count: 1 });
  rig.peer.send(
    Uint8Array.of(...message(7, Command.regionWrite, write, Flag.noReply), ...message(8, Command.regionRead, ask)),
  );
  rig.work();
  assert.equal(read, 3);
  const asked = rig.peer.receive();
  const reply = rig.peer.receive();
  assert.ok(asked !== undefined && asked !== "closed" && reply !== undefined && reply !== "closed");
  assert.deepEqual([asked.command, reply.id], [Command.dmaRead, 8]);
  assert.equal(rig.device.accesses.at(-1), "r8 2 0");
});

test("a request other than an access ends the wait, and is executed afterwards; the late reply is ignored", () => {
  using rig = new Rig();
  const region = remote(rig);
  prepare(rig, message(9, Command.deviceReset, new Uint8Array(0)), memoryAnswer(0, ADDRESS, [9]));
  assert.equal(region.copy?.fetch(0, 1), false);
  assert.equal(rig.device.resets, 0);
  assert.equal(region.copy.fetch(0, 1), false, "the request is not repeated");
  using poller = { poller: new Poller([0]), [Symbol.dispose]: () => {} };
  assert.equal(rig.server.arm(poller.poller, 0), false, "there is work already");
  rig.work();
  assert.equal(rig.device.resets, 1);
  assert.equal(region.bytes[0], 0);
  assert.equal(rig.complaints.length, 0);
  rig.peer.receive();
  rig.peer.receive();
  prepare(rig, memoryAnswer(1, ADDRESS, [4]));
  assert.ok(region.copy.fetch(0, 1));
  assert.equal(region.bytes[0], 4);
});

test("a client that disconnects during a request gives no data, and the next one is served", () => {
  using rig = new Rig();
  const region = remote(rig);
  rig.peer.socket.shutdown();
  assert.equal(region.copy?.fetch(0, 4), false);
  assert.equal(region.copy.store(0, 4), false);
  rig.work();
  assert.equal(rig.server.connected, false);
  rig.peer[Symbol.dispose]();
  rig.connect();
});

test("nesting of accesses is limited", async () => {
  using rig = new Rig();
  const region = remote(rig);
  let depth = 0;
  let deepest = 0;
  let fetched = 0;
  rig.device.onWrite = () => {
    depth++;
    deepest = Math.max(deepest, depth);
    if (region.copy?.fetch(depth, 1) === true) fetched++;
    depth--;
  };
  const write = body(REGION_ACCESS, { region: BAR, offset: 0, count: 1 }, Uint8Array.of(1));
  for (let i = 0; i < 50; i++) rig.peer.send(message(i, Command.regionWrite, write, Flag.noReply));
  const counts = await answering(rig, 8, () => rig.work());
  assert.equal(deepest, 9, "eight nested accesses wait, and the ninth must not");
  assert.ok(fetched >= 8);
  assert.equal(counts.length, 8);
});

test("a client that does not reply gets no further requests until it replies", () => {
  using rig = new Rig();
  const region = remote(rig);
  for (let i = 0; i < 10; i++) assert.equal(region.copy?.fetch(0, 1), false);
  const asked = [0, 1, 2, 3].map(() => rig.peer.receive());
  assert.deepEqual(
    asked.map((one) => one !== undefined),
    [true, true, true, false],
  );
  prepare(rig, memoryAnswer(2, ADDRESS, [1]));
  rig.work();
  prepare(rig, memoryAnswer(3, ADDRESS, [2]));
  assert.ok(region.copy?.fetch(0, 1));
  assert.equal(region.bytes[0], 2);
});

test("register accesses of a client that does not reply do not prolong the wait", () => {
  using rig = new Rig();
  const region = remote(rig);
  const write = body(REGION_ACCESS, { region: BAR, offset: 0, count: 1 }, Uint8Array.of(1));
  const send = (): unknown => rig.peer.send(message(9, Command.regionWrite, write, Flag.noReply));
  // Each access takes a millisecond, during which the client sends the next request.
  let millis = 0;
  const { mock: now } = mock.method(performance, "now", () => millis);
  rig.device.onWrite = () => {
    millis++;
    if (millis < 5000) send();
  };
  try {
    send();
    assert.equal(region.copy?.fetch(0, 1), false);
    assert.equal(millis, 500);
  } finally {
    now.restore();
  }
});

test("a client that always replies late delays others by at most two seconds per turn", () => {
  using rig = new Rig();
  const region = remote(rig);
  for (let i = 0; i < 8; i++) {
    assert.equal(region.copy?.fetch(0, 1), false);
    if (i < 4) prepare(rig, memoryAnswer(i, ADDRESS, [1]));
  }
  let asked = 0;
  while (rig.peer.receive() !== undefined) asked++;
  assert.equal(asked, 4);
  rig.work();
  prepare(rig, memoryAnswer(4, ADDRESS, [2]));
  assert.ok(region.copy?.fetch(0, 1), "in the next turn the client is sent requests again");
});

test("a device may make any number of requests in one turn, and the message in progress is not moved", async () => {
  using rig = new Rig();
  const region = remote(rig);
  const seen: number[] = [];
  rig.device.onWrite = (_offset, value) => {
    if (value === 1) for (let i = 0; i < 30; i++) assert.ok(region.copy?.fetch(i, 60_000));
    seen.push(value);
  };
  const two = body(REGION_ACCESS, { region: BAR, offset: 0, count: 8 }, Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0));
  rig.peer.send(message(7, Command.regionWrite, two, Flag.noReply));
  const counts = await answering(rig, 30, () => rig.work());
  assert.equal(counts.length, 30);
  assert.deepEqual(seen, [1, 2]);
  assert.deepEqual(rig.complaints, []);
  assert.ok(region.bytes.subarray(29, 60_029).every((byte, i) => byte === contentAt(ADDRESS + 29 + i)));
});
