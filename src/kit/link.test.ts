import assert from "node:assert/strict";
import { test } from "node:test";
import { Received, Send } from "./link.ts";

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
