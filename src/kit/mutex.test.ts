import assert from "node:assert/strict";
import { test } from "node:test";
import { Misuse, OutOfRange, Timeout } from "./errors.ts";
import { Mutex } from "./mutex.ts";

const cells = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(16));

test("a mutex is held by one at a time and free after the block", () => {
  const words = cells();
  const mine = new Mutex(words, 1);
  const other = new Mutex(words, 1);
  {
    using _guard = mine.acquire();
    assert.equal(other.tryAcquire(), undefined);
  }
  other.tryAcquire()!.release();
  assert.deepEqual([...words], [0, 0, 0, 0]);
});

test("a mutex is released when the block throws", () => {
  const words = cells();
  const mutex = new Mutex(words);
  assert.throws(() => {
    using _guard = mutex.acquire();
    throw new RangeError("inside");
  }, RangeError);
  assert.equal(words[0], 0);
});

test("a mutex that is not let go ends in a timeout, and works once it is let go", () => {
  const words = cells();
  const holder = new Mutex(words).acquire();
  const other = new Mutex(words);
  assert.throws(() => other.acquire(1000), Timeout);
  holder.release();
  using _guard = other.acquire(1000);
});

test("releasing a mutex guard twice throws; leaving the block after an early release does not", () => {
  const mutex = new Mutex(cells());
  {
    using guard = mutex.acquire();
    guard.release();
    assert.throws(() => guard.release(), Misuse);
  }
  using _again = mutex.acquire();
});

test("a late second release does not free a lock that someone else took meanwhile", () => {
  const words = cells();
  const stale = new Mutex(words).acquire();
  stale.release();
  using _holder = new Mutex(words).acquire();
  assert.throws(() => stale.release(), Misuse);
  stale[Symbol.dispose]();
  assert.equal(words[0], 1);
});

test("a mutex refuses to wait for itself", () => {
  const mutex = new Mutex(cells());
  using _guard = mutex.acquire();
  assert.throws(() => mutex.acquire(), Misuse);
  assert.equal(mutex.tryAcquire(), undefined);
});

test("a mutex whose word was overwritten says so", () => {
  const words = cells();
  const guard = new Mutex(words).acquire();
  words[0] = 0;
  assert.throws(() => guard.release(), Misuse);
});

test("a mutex refuses memory that is not shared, a word outside it, and an endless wait", () => {
  assert.throws(() => new Mutex(new Int32Array(4) as unknown as Int32Array<SharedArrayBuffer>), OutOfRange);
  for (const index of [-1, 4, 0.5, NaN]) assert.throws(() => new Mutex(cells(), index), OutOfRange);
  for (const limit of [-1, NaN, Infinity]) assert.throws(() => new Mutex(cells()).acquire(limit), OutOfRange);
});
