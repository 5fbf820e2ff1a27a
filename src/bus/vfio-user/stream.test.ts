import assert from "node:assert/strict";
import { test } from "node:test";
import { EventFd } from "#sys/eventfd.ts";
import { createMemory } from "#sys/mapping.ts";
import { DMA_MAP, IRQ_SET, REGION_ACCESS } from "./codec.ts";
import { BAR, Rig, body, message, openDescriptors, versionBody } from "./peer.test-kit.ts";
import { Command, Flag, HEADER_BYTES, Irq, MAX_BYTES, MapFlag, Refused, SetFlag } from "./protocol.ts";

const NONE = new Uint8Array(0);
const map = (address: number): Uint8Array =>
  message(
    1,
    Command.dmaMap,
    body(DMA_MAP, { argsz: 32, flags: MapFlag.read | MapFlag.write, offset: 0, address, size: 4096 }),
  );
const read = (id: number): Uint8Array =>
  message(id, Command.regionRead, body(REGION_ACCESS, { region: BAR, offset: 0, count: 4 }));

test("a message shorter than its header, or longer than any, ends the connection with a reason", () => {
  using rig = new Rig();
  for (const size of [0, 15, MAX_BYTES + 1, 0xffff_ffff]) {
    rig.peer.send(message(1, Command.regionRead, NONE, 0, size));
    rig.assertDropped(/^it sent a message of \d+ bytes$/);
  }
});

test("a message of an unknown type is rejected", () => {
  using rig = new Rig();
  for (const flags of [2, 7, 15]) {
    rig.peer.send(message(1, Command.deviceReset, NONE, flags));
    rig.work();
    const reply = rig.peer.receive();
    assert.ok(reply !== undefined && reply !== "closed");
    assert.equal(reply.error, Refused.EINVAL);
  }
  assert.equal(rig.device.resets, 0);
});

test("descriptors with a message that allows none are closed, and the message is rejected", () => {
  using rig = new Rig();
  using memory = createMemory("surplus", 4096);
  const before = openDescriptors();
  for (const command of Object.values(Command))
    if (command !== Command.dmaMap && command !== Command.setIrqs)
      assert.equal(rig.error(command, new Uint8Array(32), [memory.number, memory.number]), Refused.EINVAL);
  assert.equal(openDescriptors(), before);
});

test("messages may arrive in any pieces", () => {
  using rig = new Rig();
  const bytes = Uint8Array.of(...read(1), ...read(2), ...read(3));
  for (const piece of [1, 7, 16, 31, 33]) {
    for (let at = 0; at < bytes.length; at += piece) {
      rig.peer.send(bytes.subarray(at, at + piece));
      rig.work();
    }
    for (const id of [1, 2, 3]) {
      const reply = rig.peer.receive();
      assert.ok(reply !== undefined && reply !== "closed");
      assert.equal(reply.id, id);
    }
  }
});

test("descriptors stay with their message, whatever comes before and after it", () => {
  using rig = new Rig();
  using memory = createMemory("guest", 4096);
  using event = EventFd.create();
  const irqs = message(
    2,
    Command.setIrqs,
    body(IRQ_SET, { argsz: 20, flags: SetFlag.eventfd | SetFlag.trigger, index: Irq.msix, start: 0, count: 1 }),
  );
  // Sent separately, but all received by the server at once.
  rig.peer.send(read(7));
  rig.peer.send(map(0x1000), [memory.number]);
  rig.peer.send(read(8));
  rig.peer.send(irqs, [event.number]);
  rig.peer.send(map(0x2000));
  rig.work();
  for (const command of [Command.regionRead, Command.dmaMap, Command.regionRead, Command.setIrqs, Command.dmaMap]) {
    const reply = rig.peer.receive();
    assert.ok(reply !== undefined && reply !== "closed");
    assert.deepEqual([reply.command, reply.error], [command, 0]);
  }
  assert.equal(rig.device.memory!.region(0x1000, 1)!.copy, undefined);
  assert.ok(rig.device.memory!.region(0x2000, 1)!.copy !== undefined);
  rig.device.raise(0);
  assert.ok(event.drain());
});

test("descriptors come with a message's first byte, though the rest of it arrives later", () => {
  using rig = new Rig();
  using memory = createMemory("guest", 4096);
  const bytes = map(0x1000);
  rig.peer.send(bytes.subarray(0, 3), [memory.number]);
  rig.work();
  rig.peer.send(bytes.subarray(3, 30));
  rig.work();
  rig.peer.send(bytes.subarray(30));
  rig.work();
  const reply = rig.peer.receive();
  assert.ok(reply !== undefined && reply !== "closed");
  assert.equal(reply.error, 0);
  assert.equal(rig.device.memory!.region(0x1000, 1)!.copy, undefined);
});

test("descriptors in the middle of a message end the connection, and are closed", () => {
  using rig = new Rig();
  const before = openDescriptors();
  {
    using memory = createMemory("guest", 4096);
    const bytes = map(0x1000);
    rig.peer.send(bytes.subarray(0, 20));
    rig.work();
    rig.peer.send(bytes.subarray(20), [memory.number]);
    rig.assertDropped(/descriptors that belong to no message/);
    rig.peer.send(bytes.subarray(0, 20), [memory.number]);
    rig.work();
    rig.peer.send(bytes.subarray(20, 24), [memory.number]);
    rig.assertDropped(/descriptors that belong to no message/);
  }
  assert.equal(openDescriptors(), before);
});

test("a socket among the descriptors ends the connection: it could be the connection itself", () => {
  using rig = new Rig();
  const before = openDescriptors();
  rig.peer.send(map(0x1000).subarray(0, 20), [rig.peer.socket.number]);
  rig.assertDropped(/a socket among the descriptors/);
  assert.equal(openDescriptors(), before);
});

test("after half a message and a disconnect all resources are released", () => {
  using rig = new Rig();
  const before = openDescriptors();
  using memory = createMemory("guest", 4096);
  for (const bytes of [map(0x1000).subarray(0, 30), map(0x1000), read(1).subarray(0, HEADER_BYTES)]) {
    rig.peer.send(bytes, [memory.number]);
    rig.work();
    rig.peer[Symbol.dispose]();
    rig.work();
    assert.equal(rig.server.connected, false);
    rig.connect();
  }
  assert.equal(openDescriptors(), before + 1);
  assert.equal(rig.complaints.length, 0, "a disconnect was reported as an error");
});

test("the server waits for a client that does not read its replies, and memory use stays limited", () => {
  using rig = new Rig();
  const bytes = message(1, Command.regionRead, body(REGION_ACCESS, { region: 7, offset: 0, count: 4096 }));
  let sent = 0;
  for (let refused = 0; refused < 3;) {
    if (rig.peer.socket.send(bytes) === bytes.length) sent++;
    else refused++;
    rig.work();
  }
  assert.ok(rig.server.connected);
  let replies = 0;
  for (let idle = 0; idle < 3;) {
    const reply = rig.peer.receive();
    rig.work();
    if (reply === undefined) idle++;
    else {
      assert.ok(reply !== "closed");
      assert.equal(reply.body.length, 16 + 4096);
      replies++;
      idle = 0;
    }
  }
  assert.equal(replies, sent);
});

test("after a request without a reply the next one is answered", () => {
  using rig = new Rig();
  rig.peer.send(message(1, Command.version, versionBody(), Flag.noReply));
  assert.equal(rig.error(Command.deviceReset, NONE), 0);
});
