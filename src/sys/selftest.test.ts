import assert from "node:assert/strict";
import { test } from "node:test";
import { selfTest } from "./selftest.ts";

test("all checks pass in the Node that runs the tests", () => {
  for (const result of selfTest()) assert.deepEqual(result, { ok: true, what: result.what, hint: "" });
});
