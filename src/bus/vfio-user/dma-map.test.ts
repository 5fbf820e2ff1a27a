import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EventFd } from "#sys/eventfd.ts";
import { Open, openFile, truncate } from "#sys/fd.ts";
import { Mapping, createMemory } from "#sys/mapping.ts";
import { memoryFile } from "#sys/memory-file.ts";
import { DMA_MAP } from "./codec.ts";
import { Rig, body, openDescriptors } from "./peer.test-kit.ts";
import { BLOCK } from "./map-block.ts";
import { Command, MAX_MAPPED_BYTES, MAX_MAPS, MapFlag, Refused } from "./protocol.ts";

const BOTH = MapFlag.read | MapFlag.write;
const map = (values: Partial<Record<"argsz" | "flags" | "offset" | "address" | "size", number>>): Uint8Array =>
  body(DMA_MAP, { argsz: 32, flags: BOTH, offset: 0, address: 0x10_0000, size: 8192, ...values });

test("invalid maps are rejected, and their descriptors closed", () => {
  using rig = new Rig();
  using memory = createMemory("guest", 16384);
  using event = EventFd.create();
  using none = openFile("/dev/null", Open.readWrite);
  const before = openDescriptors();
  for (const [bytes, fds] of [
    [map({}).subarray(0, 31), [memory.number]],
    [map({ argsz: 31 }), [memory.number]],
    [map({ flags: 0 }), [memory.number]],
    [map({ flags: BOTH | 16 }), [memory.number]],
    [map({ size: 0 }), [memory.number]],
    [map({ size: 4095 }), [memory.number]],
    [map({ size: 100 }), [memory.number]],
    [map({ address: 0x10_0800 }), [memory.number]],
    [map({ offset: 2048 }), [memory.number]],
    [map({ offset: 12288 }), [memory.number]],
    [map({ size: 20480 }), [memory.number]],
    [map({ address: 2 ** 53 - 4096 }), [memory.number]],
    [map({ offset: 2 ** 53 - 4096 }), [memory.number]],
    [map({}), [memory.number, memory.number]],
    [map({}), [event.number]],
    [map({}), [none.number]],
    [map({ flags: BOTH | MapFlag.mmap }), []],
    [map({ flags: BOTH | MapFlag.fileIo }), []],
  ] as const)
    assert.equal(rig.error(Command.dmaMap, bytes, fds), Refused.EINVAL);
  for (const at of [8, 16, 24]) {
    const huge = map({});
    huge.fill(0xff, at, at + 8);
    assert.equal(rig.error(Command.dmaMap, huge, [memory.number]), Refused.EINVAL);
  }
  assert.equal(rig.server.maps, 0);
  assert.equal(openDescriptors(), before);
});

test("overlapping maps are rejected; adjacent ones are not", () => {
  using rig = new Rig();
  using _memory = rig.share(0x10_0000, 8192);
  for (const [address, size] of [
    [0x10_0000, 8192],
    [0x0f_f000, 8192],
    [0x10_1000, 8192],
    [0x0f_f000, 16384],
    [0x10_1000, 4096],
  ] as const)
    assert.equal(rig.error(Command.dmaMap, map({ address, size })), Refused.EEXIST);
  assert.equal(rig.error(Command.dmaMap, map({ address: 0x0f_e000, size: 8192 })), 0);
  assert.equal(rig.error(Command.dmaMap, map({ address: 0x10_2000, size: 8192 })), 0);
  assert.equal(rig.server.maps, 3);
});

test("stores to shared memory are visible to both sides, and the memory's descriptor is closed", () => {
  using rig = new Rig();
  const before = openDescriptors();
  using memory = rig.share(0x1_0000_0000, 8192);
  assert.equal(openDescriptors(), before + 1, "only the client's");
  using mine = Mapping.map(memory.number, 0, 8192, "mine");
  const bytes = new Uint8Array(mine.buffer);
  bytes[4097] = 7;
  const region = rig.device.memory!.region(0x1_0000_1001, 1)!;
  assert.equal(region.copy, undefined);
  assert.equal(region.bytes[0x1001], 7);
  assert.equal(region.words[0x400], 0x700);
  region.bytes[3] = 9;
  assert.equal(bytes[3], 9);
  assert.equal(rig.device.memory!.region(0x1_0000_0000, 8192), region, "each call returns the same object");
});

test("a device finds only mapped memory", () => {
  using rig = new Rig();
  using _memory = rig.share(0x10_0000, 8192);
  const { memory } = rig.device;
  for (const [address, length] of [
    [0x0f_ffff, 1],
    [0x10_2000, 1],
    [0x10_1fff, 2],
    [0x0f_ffff, 2],
    [0, 4],
    [2 ** 53 - 1, 1],
  ] as const)
    assert.equal(memory?.region(address, length), undefined);
});

test("a map starts at its file offset, and maps beyond the end of the file are rejected", () => {
  using rig = new Rig();
  using memory = createMemory("guest", 12288);
  using mine = Mapping.map(memory.number, 0, 12288, "mine");
  new Uint8Array(mine.buffer)[4096] = 5;
  assert.equal(rig.error(Command.dmaMap, map({ offset: 4096 }), [memory.number]), 0);
  assert.equal(rig.device.memory?.region(0x10_0000, 1)?.bytes[0], 5);
  assert.equal(rig.error(Command.dmaMap, map({ address: 0, offset: 8192 }), [memory.number]), Refused.EINVAL);
});

test("a read-only map is marked, and a store to it never reaches the client", () => {
  using rig = new Rig();
  using memory = rig.share(0x10_0000, 4096, MapFlag.read);
  using mine = Mapping.map(memory.number, 0, 4096, "mine");
  const region = rig.device.memory!.region(0x10_0000, 1)!;
  assert.equal(region.readOnly, true);
  new Uint8Array(mine.buffer)[0] = 3;
  assert.equal(region.bytes[0], 3);
  region.bytes[1] = 4;
  assert.equal(new Uint8Array(mine.buffer)[1], 0);
});

// The owner of an unsealed memfd or of a file on tmpfs may truncate it at any time, before or after it is mapped.
test("memory that can be truncated is copied, not mapped: after truncation accesses fail without a signal", () => {
  using rig = new Rig();
  using memory = createMemory("guest", 8192, { sealed: false });
  assert.equal(rig.error(Command.dmaMap, map({}), [memory.number]), 0);
  const region = rig.device.memory!.region(0x10_0000, 16)!;
  assert.ok(region.copy !== undefined);
  {
    using mine = Mapping.map(memory.number, 0, 8192, "mine");
    new Uint8Array(mine.buffer).set([1, 2, 3], 100);
    assert.ok(region.copy.fetch(100, 3));
    assert.deepEqual([...region.bytes.subarray(100, 103)], [1, 2, 3]);
    region.bytes.set([9, 8], 4100);
    assert.ok(region.copy.store(4100, 2));
    assert.deepEqual([...new Uint8Array(mine.buffer).subarray(4099, 4103)], [0, 9, 8, 0]);
  }
  truncate(memory.number, 4096);
  assert.equal(region.copy.fetch(4100, 2), false);
  assert.equal(region.copy.store(4100, 2), false);
  assert.equal(region.bytes[8000], 0);
  assert.equal(
    rig.error(Command.dmaMap, map({ address: 0 }), [memory.number]),
    Refused.EINVAL,
    "the map is longer than the file",
  );
});

test("a file that is not memory is rejected: reading it may block forever", () => {
  using rig = new Rig();
  const folder = mkdtempSync(join(tmpdir(), "ferrule-map-"));
  try {
    const path = join(folder, "file");
    writeFileSync(path, new Uint8Array(8192));
    using file = openFile(path, Open.readWrite);
    const isMemoryToo = memoryFile(file.number) !== undefined;
    assert.equal(rig.error(Command.dmaMap, map({}), [file.number]), isMemoryToo ? 0 : Refused.EINVAL);
    using directory = openFile(folder, Open.readOnly);
    assert.equal(rig.error(Command.dmaMap, map({ address: 0 }), [directory.number]), Refused.EINVAL);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a client may request that memory is read and written through its descriptor", () => {
  using rig = new Rig();
  using _memory = rig.share(0x10_0000, 4096, BOTH | MapFlag.fileIo);
  assert.ok(rig.device.memory!.region(0x10_0000, 1)!.copy !== undefined);
});

// One border inside a block of addresses, and one between two blocks.
for (const border of [0x10_2000, 0x100_0000])
  test(`memory across the border of two maps at 0x${border.toString(16)} is contiguous for the device`, () => {
    using rig = new Rig();
    using low = rig.share(border - 8192, 8192);
    using high = rig.share(border, 8192);
    using a = Mapping.map(low.number, 0, 8192, "low");
    using b = Mapping.map(high.number, 0, 8192, "high");
    new Uint8Array(a.buffer)[8191] = 1;
    new Uint8Array(b.buffer)[0] = 2;
    const region = rig.device.memory!.region(border - 16, 32)!;
    const at = border - 16 - region.address;
    assert.equal(region.copy === undefined, border % BLOCK !== 0, "only a region across two blocks is a copy");
    assert.ok(region.copy?.fetch(at, 32) ?? true);
    assert.deepEqual([...region.bytes.subarray(at + 15, at + 17)], [1, 2]);
    region.bytes.fill(7, at + 14, at + 18);
    assert.ok(region.copy?.store(at + 14, 4) ?? true);
    assert.deepEqual([...new Uint8Array(a.buffer).subarray(8189)], [0, 7, 7]);
    assert.deepEqual([...new Uint8Array(b.buffer).subarray(0, 3)], [7, 7, 0]);
    assert.equal(rig.device.memory!.region(border - 16, 32), region);
    assert.equal(rig.device.memory!.region(border + 8192 - 16, 32), undefined, "there is nothing after the last map");
  });

test("a map of several gibibytes is divided into regions, each of which includes the beginning of the next", () => {
  using rig = new Rig();
  const size = 3 * 2 ** 30;
  // Only one page of this memory is written, so hardly any memory is used.
  using memory = rig.share(0x1_0000_0000, size);
  using mine = Mapping.map(memory.number, 2 ** 30, 4096, "mine");
  new Uint8Array(mine.buffer)[0] = 6;
  const across = rig.device.memory!.region(0x1_4000_0000 - 2, 4)!;
  assert.equal(across.bytes[0x1_4000_0000 - across.address], 6);
  const behind = rig.device.memory!.region(0x1_4000_0000, 4)!;
  assert.equal(behind.bytes[0x1_4000_0000 - behind.address], 6);
  assert.ok(rig.device.memory!.region(0x1_0000_0000 + size - 4, 4) !== undefined);
  assert.equal(rig.device.memory!.region(0x1_0000_0000 + size - 4, 8), undefined);
});

test("there is a limit to the number of maps", () => {
  using rig = new Rig();
  for (let i = 0; i < MAX_MAPS; i++) assert.equal(rig.error(Command.dmaMap, map({ address: i * 8192, size: 4096 })), 0);
  assert.equal(rig.error(Command.dmaMap, map({ address: MAX_MAPS * 8192 })), Refused.ENOSPC);
});

test("there is a limit to the total size of maps", () => {
  using rig = new Rig();
  const gibibyte = 2 ** 30;
  assert.equal(rig.error(Command.dmaMap, map({ size: MAX_MAPPED_BYTES + 4096 })), Refused.ENOSPC);
  assert.equal(rig.error(Command.dmaMap, map({ address: 0, size: 16 * gibibyte })), 0);
  assert.equal(
    rig.error(Command.dmaMap, map({ address: 2 ** 41, size: MAX_MAPPED_BYTES - 15 * gibibyte })),
    Refused.ENOSPC,
  );
  assert.equal(rig.server.maps, 1);
});
