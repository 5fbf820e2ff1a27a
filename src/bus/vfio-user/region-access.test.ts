import assert from "node:assert/strict";
import { test } from "node:test";
import { REGION_ACCESS } from "./codec.ts";
import { BAR, BAR_BYTES, Rig, body, message } from "./peer.test-kit.ts";
import { Command, Flag, HEADER_BYTES, MAX_DATA, Refused, Region } from "./protocol.ts";

const read = (region: number, offset: number, count: number, data?: Uint8Array): Uint8Array =>
  body(REGION_ACCESS, { region, offset, count }, data);
const write = (region: number, offset: number, data: Uint8Array, count = data.length): Uint8Array =>
  body(REGION_ACCESS, { region, offset, count }, data);
const DATA = Uint8Array.of(1, 2, 3, 4);

test("accesses outside a region, to a missing region, of no bytes or of too many are rejected and reach no register", () => {
  using rig = new Rig();
  rig.device.accesses.length = 0;
  for (const [region, offset, count] of [
    [BAR, BAR_BYTES, 1],
    [BAR, BAR_BYTES - 3, 4],
    [BAR, 2 ** 53 - 1, 4],
    [BAR, 0, 0],
    [Region.config, 4096, 1],
    [Region.rom, 0, 4],
    [Region.vga, 0, 4],
    [0, 0, 4],
    [9, 0, 4],
    [0xffff_ffff, 0, 4],
  ] as const) {
    assert.equal(rig.error(Command.regionRead, read(region, offset, count)), Refused.EINVAL);
    assert.equal(rig.error(Command.regionWrite, write(region, offset, new Uint8Array(count))), Refused.EINVAL);
  }
  assert.equal(rig.error(Command.regionRead, read(BAR, 0, MAX_DATA + 1)), Refused.E2BIG);
  const beyond = read(BAR, 0, 4);
  beyond.fill(0xff, 0, 8);
  assert.equal(rig.error(Command.regionRead, beyond), Refused.EINVAL);
  assert.deepEqual(rig.device.accesses, []);
});

test("a message whose length does not agree with its count is refused", () => {
  using rig = new Rig();
  assert.equal(rig.error(Command.regionRead, read(BAR, 0, 4).subarray(0, 15)), Refused.EINVAL);
  assert.equal(rig.error(Command.regionRead, read(BAR, 0, 4, DATA)), Refused.EINVAL);
  assert.equal(rig.error(Command.regionWrite, write(BAR, 0, DATA, 3)), Refused.EINVAL);
  assert.equal(rig.error(Command.regionWrite, write(BAR, 0, DATA, 5)), Refused.EINVAL);
  assert.equal(rig.error(Command.regionWrite, write(BAR, 0, DATA).subarray(0, 12)), Refused.EINVAL);
});

test("an access of each natural width is one device access", () => {
  using rig = new Rig();
  for (const [offset, count] of [
    [0x10, 4],
    [0x16, 2],
    [0x1b, 1],
  ] as const) {
    rig.device.accesses.length = 0;
    const data = DATA.subarray(0, count);
    assert.equal(rig.error(Command.regionWrite, write(BAR, offset, data)), 0);
    const reply = rig.ask(Command.regionRead, read(BAR, offset, count));
    assert.deepEqual([...reply.body.subarray(0, REGION_ACCESS.bytes)], [...read(BAR, offset, count)]);
    assert.deepEqual([...reply.body.subarray(REGION_ACCESS.bytes)], [...data]);
    assert.equal(rig.device.accesses.length, 2);
    assert.match(rig.device.accesses[0]!, new RegExp(`^w${8 * count} 2 ${offset.toString(16)}=`));
    assert.equal(rig.device.accesses[1], `r${8 * count} 2 ${offset.toString(16)}`);
  }
});

test("a longer or misaligned access is divided into naturally aligned ones", () => {
  using rig = new Rig();
  rig.device.accesses.length = 0;
  rig.ask(Command.regionWrite, write(BAR, 0x21, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)));
  assert.deepEqual(rig.device.accesses, ["w8 2 21=1", "w16 2 22=302", "w32 2 24=7060504", "w16 2 28=908"]);
  const all = rig.ask(Command.regionRead, read(Region.config, 0, 4096));
  assert.equal(all.body.length, REGION_ACCESS.bytes + 4096);
  assert.deepEqual([...all.body.subarray(REGION_ACCESS.bytes)], [...rig.device.config]);
});

test("a posted write has no reply, and is executed before a following read", () => {
  using rig = new Rig();
  const posted = message(7, Command.regionWrite, write(BAR, 0x40, DATA), Flag.noReply);
  const asked = message(8, Command.regionRead, read(BAR, 0x40, 4));
  rig.peer.send(Uint8Array.of(...posted, ...posted, ...asked));
  rig.work();
  const reply = rig.peer.receive();
  assert.ok(reply !== undefined && reply !== "closed");
  assert.equal(reply.id, 8);
  assert.deepEqual([...reply.body.subarray(REGION_ACCESS.bytes)], [...DATA]);
  assert.equal(rig.peer.receive(), undefined);
});

test("a message with the longest data is not rejected for its length", () => {
  using rig = new Rig();
  // No region is that long, so the range is rejected, not the message.
  const bytes = write(BAR, 0, new Uint8Array(MAX_DATA));
  assert.equal(rig.error(Command.regionWrite, bytes), Refused.EINVAL);
  assert.ok(HEADER_BYTES + bytes.length > 65536);
});
