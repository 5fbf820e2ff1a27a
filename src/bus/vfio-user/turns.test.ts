import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { test } from "node:test";
import { Poller } from "#sys/poll.ts";
import { SocketPathTaken } from "#sys/unix-path.ts";
import { REGION_ACCESS } from "./codec.ts";
import { BAR, Rig, body, message } from "./peer.test-kit.ts";
import { Command, Flag } from "./protocol.ts";
import { VfioUserServer } from "./server.ts";

test("each client finds the device as after power-on", () => {
  using rig = new Rig();
  rig.device.page[5] = 1;
  using _memory = rig.share(0x1000, 4096);
  const cycles = rig.device.powerCycles;
  rig.peer[Symbol.dispose]();
  rig.work();
  assert.equal(rig.device.memory, undefined);
  rig.connect();
  assert.ok(rig.device.powerCycles > cycles);
  assert.equal(rig.device.page[5], 0);
  assert.equal(rig.server.maps, 0);
});

test("a device that keeps its state is as the last client left it, with its DMA off", () => {
  using rig = new Rig(undefined, { keepsState: true });
  rig.device.page[5] = 1;
  rig.device.config[4] = 0b111;
  using _memory = rig.share(0x1000, 4096);
  rig.peer[Symbol.dispose]();
  rig.work();
  assert.equal(rig.device.memory, undefined);
  rig.connect();
  const { page, config, powerCycles, resets } = rig.device;
  assert.deepEqual({ register: page[5], command: config[4] }, { register: 1, command: 0b011 });
  assert.deepEqual({ powerCycles, resets }, { powerCycles: 0, resets: 0 });
  assert.equal(rig.error(Command.deviceReset, new Uint8Array(0)), 0);
  assert.equal(rig.device.resets, 1, "a client can reset the device");
});

test("a second client waits for its turn", () => {
  using rig = new Rig();
  const first = rig.peer;
  const second = rig.connect("none");
  assert.equal(second.receive(), undefined);
  first[Symbol.dispose]();
  rig.work();
  assert.ok(rig.server.connected);
  assert.equal(rig.error(13, new Uint8Array(0)), 22, "a request before the version is rejected");
});

test("an owner can wait for clients and requests with one descriptor", () => {
  using rig = new Rig();
  const poller = new Poller([0]);
  assert.equal(rig.server.arm(poller, 0), true);
  assert.equal(poller.wait(0), 0);
  rig.peer[Symbol.dispose]();
  assert.equal(poller.wait(1000), 1);
  rig.work();
  rig.server.arm(poller, 0);
  assert.equal(poller.wait(0), 0);
});

test("a client with many requests is interrupted when its turn ends", () => {
  using rig = new Rig();
  const poller = new Poller([0]);
  rig.device.onWrite = () => {
    for (const end = performance.now() + 30; performance.now() < end;);
  };
  const write = body(REGION_ACCESS, { region: BAR, offset: 0, count: 1 }, Uint8Array.of(1));
  for (let i = 0; i < 3; i++) rig.peer.send(message(i, Command.regionWrite, write, Flag.noReply));
  const turns = [1, 2, 3].map(() => {
    const done = rig.server.ready();
    return [done, rig.server.arm(poller, 0)];
  });
  assert.deepEqual(turns.slice(0, 2), [
    [1, false],
    [1, false],
  ]);
  assert.equal(turns[2]![0], 1);
  assert.equal(rig.server.ready(), 0);
  assert.equal(rig.server.arm(poller, 0), true);
});

test("an interrupt without a client is dropped", () => {
  using rig = new Rig();
  rig.peer[Symbol.dispose]();
  rig.work();
  rig.device.raise(0);
});

test("the socket is removed with the server, and not replaced while it runs", () => {
  const rig = new Rig();
  assert.ok(statSync(rig.path).isSocket());
  assert.throws(
    () => new VfioUserServer(rig.device, { path: rig.path, clock: rig.clock, timers: rig.clock.timers }),
    SocketPathTaken,
  );
  rig.server[Symbol.dispose]();
  assert.equal(statSync(rig.path, { throwIfNoEntry: false }), undefined);
  rig[Symbol.dispose]();
});
