import assert from "node:assert/strict";
import { test } from "node:test";
import { type QueuesInUse, hasQueueThreads } from "./queue-threads.ts";

const FOUR: QueuesInUse = { queues: 4, device: "pci", captured: false };

test("one thread polls all queues, or each has its own", () => {
  assert.equal(hasQueueThreads("each", FOUR), true);
  assert.equal(hasQueueThreads("each", { ...FOUR, device: "model" }), true);
  assert.equal(hasQueueThreads("one", FOUR), false);
  assert.equal(hasQueueThreads("one", { ...FOUR, queues: 1 }), false);
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
