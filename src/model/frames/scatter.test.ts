/** Frames in several buffers: copied and summed as if they were contiguous. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import type { MemoryRegion } from "#kit/target.ts";
import { fold } from "#wire/checksum.ts";
import { newMemory } from "#wire/memory.ts";
import { slowSum } from "#wire/reference.test-kit.ts";
import { ScatterList } from "./scatter.ts";

const region = (): MemoryRegion => {
  const { bytes, words } = newMemory(4096);
  for (let i = 0; i < 4096; i++) bytes[i] = i * 13 + (i >> 7);
  return { address: 0, length: 4096, bytes, words };
};
/** 0 and 0xffff are equal in one's complement. */
const same = (sum: number): number => fold(sum) % 0xffff;

const pieces = fc.array(fc.record({ offset: fc.nat(3000), length: fc.nat(90) }), { minLength: 1, maxLength: 12 });

test("`copyOut` copies any range of the pieces, in any order of calls, and returns its sum", () => {
  fc.assert(
    fc.property(
      pieces,
      fc.array(fc.tuple(fc.nat(1000), fc.nat(1000)), { maxLength: 5 }),
      fc.nat(7),
      (list, ranges, to) => {
        const one = region();
        const scatter = new ScatterList();
        const whole: number[] = [];
        for (const { offset, length } of list) {
          scatter.add(one, offset, length);
          whole.push(...one.bytes.slice(offset, offset + length));
        }
        assert.equal(scatter.length, whole.length);
        for (const [a, b] of ranges) {
          const from = Math.min(a, whole.length);
          const length = Math.min(b, whole.length - from);
          const out = newMemory(2048);
          const sum = scatter.copyOut(from, length, out, to);
          const expected = Uint8Array.from(whole.slice(from, from + length));
          assert.deepEqual(out.bytes.slice(to, to + length), expected);
          assert.ok(out.bytes.subarray(to + length).every((byte) => byte === 0));
          assert.equal(same(sum), slowSum(expected, 0, length) % 0xffff);
        }
      },
    ),
  );
});

test("`copyIn` fills buffer after buffer, and writes nothing outside them", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 10 }),
      fc.nat(7),
      (lengths, from) => {
        const one = region();
        one.bytes.fill(0);
        const source = newMemory(1024);
        for (let i = 0; i < 1024; i++) source.bytes[i] = 1 + (i % 255);
        const scatter = new ScatterList();
        lengths.forEach((length, i) => scatter.add(one, i * 100 + i, length));
        const sum = scatter.copyIn(0, scatter.length, source, from);
        let at = from;
        const expected = new Uint8Array(4096);
        lengths.forEach((length, i) => {
          expected.set(source.bytes.slice(at, at + length), i * 100 + i);
          at += length;
        });
        assert.deepEqual(one.bytes, expected);
        assert.equal(same(sum), slowSum(source.bytes, from, scatter.length) % 0xffff);
      },
    ),
  );
});
