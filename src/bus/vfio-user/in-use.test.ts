/** Clients that connect while the device is in use. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Peer, Rig, message, openDescriptors, versionBody } from "./peer.test-kit.ts";
import { Command, Flag, Refused } from "./protocol.ts";

const STEP_MICROS = 250_000;
const sendVersion = (peer: Peer): void => peer.send(message(7, Command.version, versionBody()));
const wait = (rig: Rig, moments: number): void => {
  for (let i = 0; i < moments; i++) {
    rig.clock.delay(STEP_MICROS);
    rig.work();
  }
};

test("a second client waits briefly and is then rejected because the device is in use; the first continues", () => {
  using rig = new Rig();
  const before = openDescriptors();
  {
    using second = new Peer(rig.path);
    sendVersion(second);
    wait(rig, 1);
    assert.equal(
      second.receive(),
      undefined,
      "the second client was rejected at once, although the first may be about to disconnect",
    );
    wait(rig, 2);
    const reply = second.receive();
    assert.ok(reply !== undefined && reply !== "closed");
    const { id, command, flags, error } = reply;
    assert.deepEqual([id, command, flags, error], [7, Command.version, Flag.reply | Flag.error, Refused.EBUSY]);
    assert.equal(second.receive(), "closed");
  }
  assert.deepEqual(rig.turnedAway, ["the device is in use by another client"]);
  assert.equal(rig.complaints.length, 0);
  assert.equal(rig.error(Command.deviceReset, new Uint8Array(0)), 0);
  assert.equal(openDescriptors(), before);
});

test("a second client that waits while the first disconnects is served", () => {
  using rig = new Rig();
  using second = new Peer(rig.path);
  sendVersion(second);
  wait(rig, 1);
  rig.peer[Symbol.dispose]();
  rig.work();
  assert.equal((second.receive() as { error: number }).error, 0);
  wait(rig, 3);
  assert.deepEqual(rig.turnedAway, []);
});

test("a waiting client that sends nothing, an invalid message or descriptors is rejected too, without a leak", () => {
  using rig = new Rig();
  const before = openDescriptors();
  {
    using _silent = new Peer(rig.path);
    using refused = new Peer(rig.path);
    refused.send(new Uint8Array(500).fill(0xff));
    using generous = new Peer(rig.path);
    generous.send(message(1, Command.version, versionBody()), [0, 1, 2]);
    wait(rig, 3);
  }
  assert.equal(rig.turnedAway.length, 3);
  assert.equal(openDescriptors(), before);
});

test("until the first client has sent its version, waiting clients are not rejected", () => {
  using rig = new Rig();
  rig.peer[Symbol.dispose]();
  rig.work();
  using _silent = new Peer(rig.path);
  rig.work();
  using second = new Peer(rig.path);
  sendVersion(second);
  wait(rig, 22);
  assert.deepEqual(rig.turnedAway, []);
  assert.match(rig.complaints.at(-1) ?? "", /did not send its version/);
  assert.equal((second.receive() as { error: number }).error, 0);
});
