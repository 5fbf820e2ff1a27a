import assert from "node:assert/strict";
import { test } from "node:test";
import type { RegionInfo } from "#sys/vfio-structs.ts";
import { FakeKernel } from "./kernel.test-kit.ts";
import { openRegisters } from "./registers.ts";

const REGION: RegionInfo = { bytes: 4096, offset: 2 * 2 ** 40, readable: true, writable: true, mappable: [] };

const setUp = (mappable: RegionInfo["mappable"]) => {
  const kernel = new FakeKernel();
  kernel.registers.forEach((_, i) => (kernel.registers[i] = i));
  const file = kernel.device("card");
  const scope = new DisposableStack();
  const registers = openRegisters(file, { ...REGION, mappable }, "registers", scope);
  return { kernel, registers, scope };
};

test("a region is read in the requested width, mapped or not", () => {
  for (const mappable of [[], [{ offset: 0, bytes: 4096 }]]) {
    const { registers } = setUp(mappable);
    assert.equal(registers.length, 4096);
    assert.equal(registers.read(0x85, 1), 0x85);
    assert.equal(registers.read(0x86, 2), 0x8786);
    assert.equal(registers.read(0x84, 4), 0x8786_8584);
    registers.write(0x84, 4, 0xfedc_ba98);
    assert.equal(registers.read(0x84, 4), 0xfedc_ba98);
    registers.write(0x86, 2, 0x1234);
    registers.write(0x84, 1, 0x56);
    assert.equal(registers.read(0x84, 4), 0x1234_ba56);
  }
});

test("the unmapped part of a region is accessed through the file", () => {
  const { kernel, registers, scope } = setUp([
    { offset: 0, bytes: 1024 },
    { offset: 2048, bytes: 1024 },
  ]);
  const offsets = [0, 1020, 1024, 2044, 2048, 3068, 3072, 4092];
  for (const offset of offsets) registers.write(offset, 4, offset);
  for (const offset of offsets) assert.equal(registers.read(offset, 4), offset);
  // Writes to the mapped parts did not use the file, so the kernel's copy is unchanged.
  const seen = offsets.filter((at) => new DataView(kernel.registers.buffer).getUint32(at, true) === at);
  assert.deepEqual(seen, [1024, 2044, 3072, 4092]);
  scope.dispose();
  assert.ok(![...kernel.live].some((name) => name.startsWith("registers")));
});

test("a removed card reads all ones in each width, and ignores writes", () => {
  const { kernel, registers } = setUp([]);
  kernel.pulled = true;
  assert.deepEqual([registers.read(0, 1), registers.read(0, 2), registers.read(0, 4)], [0xff, 0xffff, 0xffff_ffff]);
  registers.write(0, 4, 1);
});
