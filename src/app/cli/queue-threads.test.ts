import assert from "node:assert/strict";
import { test } from "node:test";
import { type QueuesInUse, hasQueueThreads } from "./queue-threads.ts";

const FOUR: QueuesInUse = { queues: 4, device: "pci", captured: false };

test("each queue of a card has a thread where there are as many processors, and otherwise one thread polls all", () => {
  assert.equal(hasQueueThreads(undefined, FOUR, 4), true);
  assert.equal(hasQueueThreads(undefined, FOUR, 2), false);
  assert.equal(hasQueueThreads(undefined, { ...FOUR, device: "model" }, 64), false);
  assert.equal(hasQueueThreads(undefined, { ...FOUR, device: "vfio-user" }, 64), false);
  assert.equal(hasQueueThreads(undefined, { ...FOUR, captured: true }, 64), false);
  assert.equal(hasQueueThreads(undefined, { ...FOUR, queues: 1 }, 64), false);
});

test("what is typed wins over the default", () => {
  assert.equal(hasQueueThreads("each", { ...FOUR, device: "model" }, 1), true);
  assert.equal(hasQueueThreads("one", FOUR, 64), false);
});

test("a thread for each queue is refused where it is not possible", () => {
  for (const [inUse, hint] of [
    [{ ...FOUR, queues: 1 }, "Add --queues, or omit --threads."],
    [{ ...FOUR, device: "vfio-user" }, "Use --threads one."],
    [{ ...FOUR, captured: true }, "Use --threads one."],
  ] as const)
    assert.throws(() => hasQueueThreads("each", inUse), { code: "WRONG_USAGE", hint });
  assert.throws(() => hasQueueThreads("two", FOUR), { hint: "Choose one or each." });
});
