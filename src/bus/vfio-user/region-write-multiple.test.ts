import assert from "node:assert/strict";
import { test } from "node:test";
import { put32, put64 } from "./codec.ts";
import { BAR, BAR_BYTES, Rig, message } from "./peer.test-kit.ts";
import { Command, Flag, MULTIPLE_BYTES, MULTIPLE_DATA, Refused } from "./protocol.ts";

type Write = readonly [region: number, offset: number, ...data: number[]];

const multiple = (writes: readonly Write[], count = writes.length): Uint8Array => {
  const bytes = new Uint8Array(8 + writes.length * MULTIPLE_BYTES);
  put64(bytes, 0, count);
  for (const [i, [region, offset, ...data]] of writes.entries()) {
    const at = 8 + i * MULTIPLE_BYTES;
    put64(bytes, at, offset);
    put32(bytes, at + 8, region);
    put32(bytes, at + 12, data.length);
    bytes.set(data.slice(0, 8), at + MULTIPLE_DATA);
  }
  return bytes;
};

const GOOD: Write = [BAR, 0x10, 1, 2, 3, 4];

test("no write of a message is executed if one of them, or their number, is invalid", () => {
  using rig = new Rig();
  rig.device.accesses.length = 0;
  for (const bytes of [
    multiple([GOOD, [BAR, BAR_BYTES, 1]]),
    multiple([GOOD, [1, 0, 1]]),
    multiple([GOOD, [BAR, 0]]),
    multiple([GOOD, [BAR, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]]),
    multiple([GOOD], 2),
    multiple([GOOD, GOOD], 1),
    multiple([GOOD], 2 ** 40),
    multiple([GOOD]).subarray(0, 31),
    new Uint8Array(0),
  ])
    assert.equal(rig.error(Command.regionWriteMultiple, bytes), Refused.EINVAL);
  const huge = multiple([GOOD]);
  huge.fill(0xff, 0, 8);
  assert.equal(rig.error(Command.regionWriteMultiple, huge), Refused.EINVAL);
  assert.deepEqual(rig.device.accesses, []);
});

test("writes are executed in order, including 200 in one message as from QEMU", () => {
  using rig = new Rig();
  rig.device.accesses.length = 0;
  const writes = Array.from({ length: 200 }, (_, i): Write => [BAR, 4 * i, i, 0, 0, 0]);
  rig.peer.send(message(1, Command.regionWriteMultiple, multiple(writes), Flag.noReply));
  rig.work();
  assert.equal(rig.peer.receive(), undefined);
  assert.equal(rig.device.accesses.length, 200);
  assert.equal(rig.device.accesses[199], "w32 2 31c=c7");
});

test("a reply, if requested, has the number of writes", () => {
  using rig = new Rig();
  const reply = rig.ask(Command.regionWriteMultiple, multiple([GOOD, [BAR, 0x21, 7]]));
  assert.deepEqual([...reply.body], [2, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(rig.device.accesses.slice(-2), ["w32 2 10=4030201", "w8 2 21=7"]);
  assert.equal(rig.error(Command.regionWriteMultiple, multiple([])), 0);
});
