/** The part of docs/performance.md on `ferrule compare` matches the committed run. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PAGE, page } from "./performance-page.ts";

test("the comparison in docs/performance.md is what `node test/performance-page.ts` writes", () => {
  assert.equal(readFileSync(PAGE, "utf8"), page());
});
