import assert from "node:assert/strict";
import { test } from "node:test";
import { Misuse, OutOfRange, Timeout } from "./errors.ts";
import { SpinLock } from "./spinlock.ts";

const cells = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(8));

test("a spin lock is held by one at a time", () => {
  const words = cells();
  const mine = new SpinLock(words);
  const other = new SpinLock(words);
  mine.acquire();
  assert.throws(() => other.acquire(100), Timeout);
  mine.release();
  other.acquire();
  other.release();
  assert.equal(words[0], 0);
});

test("a spin lock held by a guard is free after the block, also when it throws", () => {
  const words = cells();
  const lock = new SpinLock(words, 1);
  assert.throws(() => {
    using _guard = lock.hold();
    assert.equal(words[1], 1);
    throw new RangeError("inside");
  }, RangeError);
  assert.equal(words[1], 0);
});

test("releasing a spin lock that is not held throws, and leaves another's hold alone", () => {
  const words = cells();
  const mine = new SpinLock(words);
  const other = new SpinLock(words);
  assert.throws(() => mine.release(), Misuse);
  other.acquire();
  assert.throws(() => mine.release(), Misuse);
  assert.equal(words[0], 1);
  other.release();
  assert.throws(() => other.release(), Misuse);
});

test("a spin lock refuses to wait for itself, and for ever", () => {
  const words = cells();
  const lock = new SpinLock(words);
  lock.acquire();
  assert.throws(() => lock.acquire(), Misuse);
  for (const limit of [-1, NaN, Infinity]) assert.throws(() => new SpinLock(words).acquire(limit), OutOfRange);
});
