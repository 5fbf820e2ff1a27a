import assert from "node:assert/strict";
import { test } from "node:test";
import { DMA_UNMAP } from "./codec.ts";
import { Rig, body } from "./peer.test-kit.ts";
import { Command, Refused, UnmapFlag } from "./protocol.ts";

const unmap = (address: number, size: number, flags = 0, argsz = 24): Uint8Array =>
  body(DMA_UNMAP, { argsz, flags, address, size });

test("parts of a map, empty ranges and invalid ranges are not unmapped", () => {
  using rig = new Rig();
  using _a = rig.share(0x10_0000, 8192);
  using _b = rig.share(0x10_2000, 8192);
  for (const [address, size] of [
    [0x10_0000, 4096],
    [0x10_1000, 4096],
    [0x10_0000, 12288],
    [0x10_1000, 12288],
    [0x0f_f000, 8192],
    [0x10_0000, 0],
    [0x10_0000, 2 ** 53 - 1],
  ] as const)
    assert.equal(rig.error(Command.dmaUnmap, unmap(address, size)), Refused.EINVAL, `${address} ${size}`);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0x20_0000, 4096)), Refused.ENOENT);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0x10_0000, 8192, UnmapFlag.dirtyBitmap)), Refused.EOPNOTSUPP);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0x10_0000, 8192, 4)), Refused.EINVAL);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0x10_0000, 8192, UnmapFlag.all)), Refused.EINVAL);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0x10_0000, 8192, 0, 23)), Refused.EINVAL);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0x10_0000, 8192).subarray(0, 23)), Refused.EINVAL);
  assert.equal(rig.server.maps, 2);
});

test("after an unmap the device is notified and has no access, and the reply repeats the request", () => {
  using rig = new Rig();
  using _a = rig.share(0x10_0000, 8192);
  using _b = rig.share(0x10_2000, 8192);
  const changes = rig.device.memoryChanges;
  const stale = rig.device.memory!.region(0x10_0000, 1)!;
  stale.bytes[0] = 1;
  const reply = rig.ask(Command.dmaUnmap, unmap(0x10_0000, 8192));
  assert.deepEqual([...reply.body], [...unmap(0x10_0000, 8192)]);
  assert.ok(rig.device.memoryChanges > changes);
  assert.equal(rig.device.memory!.region(0x10_0000, 1), undefined);
  assert.ok(rig.device.memory!.region(0x10_2000, 1) !== undefined);
  // A region that is still referenced reads zeros, and does not fault.
  assert.equal(stale.bytes[0], 0);
  stale.bytes[0] = 2;
});

test("several maps, or all, are removed at once", () => {
  using rig = new Rig();
  using _a = rig.share(0x10_0000, 4096);
  using _b = rig.share(0x20_0000, 4096);
  using _c = rig.share(0x30_0000, 4096);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0, 0x28_0000)), 0);
  assert.equal(rig.server.maps, 1);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0, 0, UnmapFlag.all)), 0);
  assert.equal(rig.server.maps, 0);
  assert.equal(rig.error(Command.dmaUnmap, unmap(0, 0, UnmapFlag.all)), 0, "removing all maps fails if there are none");
});

// One border inside a block of addresses, and one between two blocks.
for (const border of [0x10_1000, 0x100_0000])
  test(`a region across a border at 0x${border.toString(16)} is removed with either map`, () => {
    using rig = new Rig();
    using _a = rig.share(border - 4096, 4096);
    using _b = rig.share(border, 4096);
    const across = rig.device.memory!.region(border - 16, 32)!;
    across.bytes.fill(5, border - across.address, border + 16 - across.address);
    assert.ok(across.copy?.store(border - across.address, 16) ?? true);
    assert.equal(rig.error(Command.dmaUnmap, unmap(border, 4096)), 0);
    assert.equal(rig.device.memory!.region(border - 16, 32), undefined);
    assert.equal(rig.device.memory!.region(border - 16, 16)!.copy, undefined);
    // A region that is still referenced no longer has the client's memory.
    if (across.copy === undefined) assert.equal(across.bytes[border - across.address], 0);
    else assert.equal(across.copy.fetch(border - 16 - across.address, 32), false);
  });
