import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { copyAndSum, finish, fold, intact, MAX_SUM_BYTES, sum } from "./checksum.ts";
import { memoryOf, newMemory } from "./memory.ts";
import { slowSum } from "./reference.test-kit.ts";

const random = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  let x = 0x1234_5678;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
};

/** 0 and 0xffff are the same number in one's complement, so they compare equal here. */
const congruent = (a: number, b: number, what: string): void => assert.equal(a % 0xffff, b % 0xffff, what);

test("the example of RFC 1071, section 3, has the sum ddf2 and the checksum 220d (hex)", () => {
  const memory = memoryOf(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7));
  assert.equal(sum(memory, 0, 8), 0xddf2);
  assert.equal(finish(sum(memory, 0, 8)), 0x220d);
});

test("`fold` reduces the largest sum to 16 bits and leaves 0, and `intact` accepts only sums that fold to 0xffff", () => {
  assert.equal(fold(0xffff_ffff), 0xffff);
  assert.equal(fold(0x1_0000), 1);
  assert.equal(fold(0), 0);
  assert.equal(finish(0), 0xffff);
  assert.ok(intact(0xffff) && intact(0x1_fffe) && !intact(0));
});

test("`sum` equals the reference for every length up to 80 at every alignment", () => {
  const memory = memoryOf(random(128));
  for (let offset = 0; offset < 8; offset++)
    for (let length = 0; length <= 80; length++)
      assert.equal(sum(memory, offset, length), slowSum(memory.bytes, offset, length), `${length} at ${offset}`);
});

test("the longest piece of all ones does not overflow the sum", () => {
  const memory = newMemory(MAX_SUM_BYTES + 8);
  memory.bytes.fill(0xff);
  for (const offset of [0, 1, 2, 3]) assert.equal(sum(memory, offset, MAX_SUM_BYTES), 0xffff);
  const target = newMemory(MAX_SUM_BYTES + 8);
  for (const offset of [0, 1, 2, 3]) assert.equal(copyAndSum(memory, offset, target, 2, MAX_SUM_BYTES), 0xffff);
});

test("`copyAndSum` copies and sums every length up to 40 between all alignments, and writes nothing else", () => {
  const from = memoryOf(random(96));
  for (let a = 0; a < 4; a++)
    for (let b = 0; b < 4; b++)
      for (let length = 0; length <= 40; length++) {
        const to = newMemory(64);
        to.bytes.fill(0xa5);
        const got = copyAndSum(from, a, to, b, length);
        const expected = new Uint8Array(64).fill(0xa5);
        expected.set(from.bytes.subarray(a, a + length), b);
        assert.deepEqual(to.bytes, expected, `${length} bytes from ${a} to ${b}`);
        assert.equal(got, slowSum(from.bytes, a, length), `${length} bytes from ${a} to ${b}`);
      }
});

test("`copyAndSum` copies and sums any range, even up to the end of an array that is not a whole number of words", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 600 }),
      fc.nat(40),
      fc.nat(7),
      fc.nat(3),
      (data, before, after, slack) => {
        const from = memoryOf(new Uint8Array(before + data.length));
        from.bytes.set(data, before);
        const to = memoryOf(new Uint8Array(after + data.length + slack));
        const got = copyAndSum(from, before, to, after, data.length);
        assert.deepEqual(to.bytes.slice(after, after + data.length), data);
        congruent(got, slowSum(data, 0, data.length), "copyAndSum");
        congruent(sum(from, before, data.length), slowSum(data, 0, data.length), "sum");
      },
    ),
  );
});

test("sums of pieces add up to the sum of the whole", () => {
  const memory = memoryOf(random(4096));
  fc.assert(
    fc.property(fc.nat(3), fc.nat(1000), fc.nat(3000), (offset, half, rest) => {
      const cut = half * 2;
      const whole = sum(memory, offset, Math.min(cut + rest, 4000));
      const parts = sum(memory, offset, cut) + sum(memory, offset + cut, Math.min(cut + rest, 4000) - cut);
      if (cut <= 4000) congruent(fold(parts), whole, "parts");
    }),
  );
});
