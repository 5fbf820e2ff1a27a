import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME_FLAGS, FRAME_LENGTH, FRAME_OFFSET, FRAME_TAG, FRAME_WORDS, Received, Send } from "./link.ts";

test("a burst's words have a place each", () => {
  assert.deepEqual([FRAME_OFFSET, FRAME_LENGTH, FRAME_FLAGS, FRAME_TAG], [0, 1, 2, 3]);
  assert.equal(FRAME_WORDS, 4);
});

test("no two flags of a frame share a bit", () => {
  const { transportOffsetShift, ...send } = Send;
  for (const flags of [Object.values(send), Object.values(Received)]) {
    let seen = 0;
    for (const flag of flags) {
      assert.equal(seen & flag, 0);
      seen |= flag;
    }
  }
  assert.equal((Send.transportOffset >>> transportOffsetShift) << transportOffsetShift, Send.transportOffset);
});
