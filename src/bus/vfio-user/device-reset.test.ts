import assert from "node:assert/strict";
import { test } from "node:test";
import { EventFd } from "#sys/eventfd.ts";
import { Rig } from "./peer.test-kit.ts";
import { Command, Irq, Refused, SetFlag } from "./protocol.ts";

test("a reset request with extra data is rejected without effect", () => {
  using rig = new Rig();
  assert.equal(rig.error(Command.deviceReset, new Uint8Array(4)), Refused.EINVAL);
  assert.equal(rig.device.resets, 0);
});

test("a reset resets the function, and preserves mapped memory and eventfds", () => {
  using rig = new Rig();
  using _memory = rig.share(0x1000, 4096);
  using event = EventFd.create();
  rig.irqs({ flags: SetFlag.eventfd | SetFlag.trigger, index: Irq.msix, start: 0, count: 1 }, [event.number]);
  const before = rig.device.powerCycles;
  assert.equal(rig.error(Command.deviceReset, new Uint8Array(0)), 0);
  assert.equal(rig.device.resets, 1);
  assert.equal(rig.device.powerCycles, before);
  assert.equal(rig.server.maps, 1);
  rig.device.raise(0);
  assert.ok(event.drain());
});
