import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCapabilities } from "./capabilities.ts";
import { VERSION } from "./codec.ts";
import { Rig, body, message, text, versionBody } from "./peer.test-kit.ts";
import { Command, Flag, HEADER_BYTES, Refused } from "./protocol.ts";

const refused = (bytes: Uint8Array): void => {
  using rig = new Rig("none");
  assert.equal(rig.error(Command.version, bytes), Refused.EINVAL);
  // The same client may try again.
  assert.equal(rig.error(Command.version, versionBody()), 0);
};

test("a version that is truncated, of another major number, or with invalid capabilities is rejected", () => {
  refused(Uint8Array.of(0, 0, 1));
  refused(versionBody("{}", 0, 1));
  for (const json of ["[]", "7", "{", '{"capabilities":1}', '{"capabilities":{"max_data_xfer_size":-1}}'])
    refused(versionBody(json));
  refused(versionBody('{"capabilities":{"max_data_xfer_size":"many"}}'));
  refused(versionBody('{"capabilities":{"write_multiple":1}}'));
  refused(body(VERSION, { major: 0, minor: 1 }, new TextEncoder().encode('{"no":"end"}')));
  refused(body(VERSION, { major: 0, minor: 1 }, Uint8Array.of(0xff, 0xfe, 0)));
});

test("no other request is accepted before the version, and no second version", () => {
  using rig = new Rig("none");
  for (const command of Object.values(Command))
    if (command !== Command.version) assert.equal(rig.error(command, new Uint8Array(48)), Refused.EINVAL);
  assert.deepEqual(
    rig.device.accesses.filter((access) => !access.includes("config")),
    [],
  );
  assert.equal(rig.error(Command.version, versionBody()), 0);
  assert.equal(rig.error(Command.version, versionBody()), Refused.EINVAL);
});

test("a client without a version in time is disconnected; one with a version may be idle without limit", () => {
  using rig = new Rig("none");
  rig.clock.delay(4_900_000);
  rig.work();
  assert.equal(rig.peer.receive(), undefined);
  rig.clock.delay(200_000);
  rig.assertDropped(/^it did not send its version in 5 s$/);
  rig.clock.delay(3_600_000_000);
  rig.work();
  assert.equal(rig.peer.receive(), undefined);
  assert.equal(rig.complaints.length, 1);
});

test("the time limit starts anew for each client", () => {
  using rig = new Rig("none");
  rig.clock.delay(4_000_000);
  rig.peer[Symbol.dispose]();
  rig.work();
  rig.connect("none");
  rig.clock.delay(4_000_000);
  rig.work();
  assert.equal(rig.peer.receive(), undefined);
  assert.equal(rig.ask(Command.version, versionBody()).error, 0);
});

test("the reply is no longer than the request, ends with a NUL, and has no later version than the client's", () => {
  const qemu = '{"capabilities":{"max_msg_fds":16,"max_data_xfer_size":1048576,"write_multiple":true}}';
  for (const [json, minor] of [
    [qemu, 0],
    ['{"capabilities":{}}', 1],
    ["{}                        ", 7],
    ["", 1],
  ] as const) {
    using rig = new Rig("none");
    const request = versionBody(json, minor);
    const reply = rig.ask(Command.version, request);
    assert.equal(reply.error, 0);
    assert.ok(reply.body.length <= request.length, `${reply.body.length} for ${request.length}`);
    assert.deepEqual(VERSION.read(Uint8Array.of(...new Uint8Array(HEADER_BYTES), ...reply.body), 0), {
      major: 0,
      minor: Math.min(minor, 1),
    });
    const text = reply.body.subarray(VERSION.bytes);
    assert.ok(parseCapabilities(text) !== undefined);
    if (json === qemu) assert.equal(parseCapabilities(text)?.maxData, 65536);
  }
});

test("unknown capabilities are ignored", () => {
  const parsed = parseCapabilities(text('{"new":1,"capabilities":{"max_data_xfer_size":4096,"twin_socket":{}}}'));
  assert.deepEqual(parsed, { maxData: 4096, writeMultiple: false });
  assert.deepEqual(parseCapabilities(text("{}")), { maxData: 1 << 20, writeMultiple: false });
});

test("a request without reply gets none, even if it is rejected", () => {
  using rig = new Rig();
  rig.peer.send(message(1, 99, new Uint8Array(0), Flag.noReply));
  rig.work();
  assert.equal(rig.peer.receive(), undefined);
});
