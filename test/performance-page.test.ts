/** docs/performance.md: what it says of `ferrule compare` is what the committed run says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PAGE, page } from "./performance-page.ts";

test("the comparison in docs/performance.md is what `node test/performance-page.ts` writes", () => {
  assert.equal(readFileSync(PAGE, "utf8"), page());
});
