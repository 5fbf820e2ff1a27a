import assert from "node:assert/strict";
import { test } from "node:test";
import { Misuse, OutOfRange, Timeout } from "./errors.ts";
import { Once } from "./once.ts";

const cells = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4));

test("once runs its action for the first to come only", () => {
  const words = cells();
  let ran = 0;
  const once = new Once(words);
  assert.equal(once.done, false);
  assert.equal(
    once.run(() => ran++),
    true,
  );
  assert.equal(
    new Once(words).run(() => ran++),
    false,
  );
  assert.equal(ran, 1);
  assert.equal(once.done, true);
});

test("once tries again after its action threw", () => {
  const once = new Once(cells());
  assert.throws(() => once.run(() => assert.fail("no memory")), /no memory/);
  assert.equal(once.done, false);
  assert.equal(
    once.run(() => {}),
    true,
  );
});

test("once refuses to wait for itself, for ever, or for a thread that died", () => {
  const words = cells();
  const once = new Once(words);
  once.run(() => assert.throws(() => once.run(() => {}), Misuse));
  assert.equal(once.done, true);
  words[0] = 1;
  assert.throws(() => new Once(words).run(() => {}, 1000), Timeout);
  assert.throws(() => new Once(words).run(() => {}, Infinity), OutOfRange);
});
