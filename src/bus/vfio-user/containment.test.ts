/** Errors caused by a client's data end that client's session with a reason, and have no other effect. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { createMemory } from "#sys/mapping.ts";
import { Poller } from "#sys/poll.ts";
import { DMA_MAP, REGION_ACCESS } from "./codec.ts";
import { BAR, Rig, body, message } from "./peer.test-kit.ts";
import { Command, Flag, MapFlag } from "./protocol.ts";

const WRITE = body(REGION_ACCESS, { region: BAR, offset: 0, count: 1 }, Uint8Array.of(1));

test("an error during a request ends the session", () => {
  using rig = new Rig();
  rig.device.onWrite = () => {
    throw new OutOfRange("the device cannot do this");
  };
  rig.peer.send(message(1, Command.regionWrite, WRITE, Flag.noReply));
  rig.assertDropped(/^the device cannot do this$/);
});

test("a programming error ends the session, with a message for the user", () => {
  using rig = new Rig();
  rig.device.onWrite = () => {
    throw new TypeError("undefined is\nno function");
  };
  rig.peer.send(message(1, Command.regionWrite, WRITE, Flag.noReply));
  rig.assertDropped(/^an error in Ferrule: TypeError: undefined is$/);
});

test("an error while the device reads memory or raises an interrupt between requests ends the session", () => {
  using rig = new Rig();
  using memory = createMemory("guest", 8192, { sealed: false });
  for (const provoke of [
    () => rig.device.memory!.region(0x1000, 1)!.copy!.fetch(4096, 8192),
    () => rig.device.memory!.region(0x1000, 1)!.copy!.store(-1, 1),
    () => rig.device.raise(NaN),
  ]) {
    const map = { argsz: 32, flags: MapFlag.read | MapFlag.write, offset: 0, address: 0x1000, size: 8192 };
    assert.equal(rig.error(Command.dmaMap, body(DMA_MAP, map), [memory.number]), 0);
    provoke();
    assert.equal(rig.server.arm(new Poller([0]), 0), false, "there is nothing to wait for");
    rig.assertDropped(/./);
  }
});
