/**
 * Tests that the checksum kernel is the code assembled from `sum.wat`, and that its sums equal those of the slow
 * implementation.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import wabt from "wabt";
import { copyAndSum, fold, sum } from "./checksum.ts";
import { newMemory } from "./memory.ts";
import { slowSum } from "./reference.test-kit.ts";
import { KERNEL, memoryWithSums } from "./sum-kernel.ts";

declare const WebAssembly: {
  readonly Memory: new (options: { initial: number; maximum: number; shared: true }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

/** Reduces a sum modulo 65535, because 0 and 65535 are the same sum. */
const modulo = (value: number): number => fold(value) % 0xffff;

const SIZE = 1 << 18;
const HALF = SIZE / 2;

test("the embedded WebAssembly module is sum.wat, assembled", async () => {
  const assembler = await wabt();
  const features = { simd: true, threads: true };
  const module = assembler.parseWat("sum.wat", readFileSync(new URL("sum.wat", import.meta.url), "utf8"), features);
  assert.equal(Buffer.from(module.toBinary({}).buffer).toString("base64"), KERNEL);
});

test("the kernel sums like the slow implementation and copies exactly, at any offset and length", () => {
  const memory = memoryWithSums(new WebAssembly.Memory({ initial: SIZE >> 16, maximum: SIZE >> 16, shared: true }));
  const plain = newMemory(SIZE);
  for (let i = 0; i < HALF; i++) memory.bytes[i] = plain.bytes[i] = (i * 2_654_435_761) >>> 11;
  const place = fc.integer({ min: 0, max: 200 });
  const length = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 66_000 }));
  fc.assert(
    fc.property(place, place, length, (from, gap, bytes) => {
      const expected = slowSum(plain.bytes, from, bytes);
      assert.equal(modulo(sum(memory, from, bytes)), expected % 0xffff);
      assert.equal(modulo(copyAndSum(memory, from, memory, HALF + gap, bytes)), expected % 0xffff);
      assert.deepEqual(
        Buffer.from(memory.bytes.slice(HALF + gap, HALF + gap + bytes)),
        Buffer.from(plain.bytes.slice(from, from + bytes)),
      );
      assert.equal(memory.bytes[HALF + gap + bytes], 0, "the copy wrote beyond its end");
      memory.bytes.fill(0, HALF, HALF + gap + bytes);
    }),
  );
});

test("a copy from other memory to WebAssembly memory is summed correctly, and the kernel finds the same sum in the copy", () => {
  const memory = memoryWithSums(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }));
  const plain = newMemory(4096);
  for (let i = 0; i < 4096; i++) plain.bytes[i] = i * 7;
  const total = copyAndSum(plain, 3, memory, 100, 1001);
  assert.equal(fold(total) % 0xffff, slowSum(plain.bytes, 3, 1001) % 0xffff);
  assert.equal(fold(sum(memory, 100, 1001)), fold(total));
});
