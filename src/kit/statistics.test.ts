import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { OutOfRange } from "./errors.ts";
import { CounterReader, Counters, counterWords } from "./statistics.ts";

test("counters have 64 bits, and a reader sees the values that were last published", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(2), fc.oneof(fc.nat(2000), fc.integer({ min: 0xffff_fff0, max: 0xffff_ffff })))),
      (steps) => {
        const cells = new Int32Array(counterWords(3));
        const counters = new Counters(cells, 3);
        const sums = [0n, 0n, 0n];
        for (const [counter, amount] of steps) {
          counters.add(counter, amount);
          sums[counter]! += BigInt(amount);
        }
        const reader = new CounterReader(cells, 3);
        assert.deepEqual([...reader.snapshot()], [0n, 0n, 0n]);
        counters.publish();
        assert.deepEqual([...reader.snapshot()], sums);
      },
    ),
  );
});

test("new counters start at zero, whatever the memory held", () => {
  const cells = new Int32Array(counterWords(2)).fill(7);
  new Counters(cells, 2).add(0, 1);
  assert.deepEqual([...new CounterReader(cells, 2).snapshot()], [0n, 0n]);
});

test("an unknown counter and an invalid amount are rejected", () => {
  const counters = new Counters(new Int32Array(counterWords(2)), 2);
  for (const [counter, amount] of [
    [2, 1],
    [-1, 1],
    [0, -1],
    [0, 2 ** 32],
    [0, NaN],
  ] as const)
    assert.throws(() => counters.add(counter, amount), OutOfRange);
});

test("a counter can be set to any integer from 0 to 2^53 - 1, and to no other value", () => {
  const cells = new Int32Array(new SharedArrayBuffer(counterWords(2) * 4));
  const counters = new Counters(cells, 2);
  const reader = new CounterReader(cells, 2);
  for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    counters.set(1, value);
    counters.publish();
    assert.equal(Number(reader.snapshot()[1]), value);
  }
  for (const [counter, value] of [
    [2, 0],
    [-1, 0],
    [0, -1],
    [0, 0.5],
    [0, 2 ** 53],
    [0, Number.NaN],
  ] as const)
    assert.throws(() => counters.set(counter, value), OutOfRange);
});
