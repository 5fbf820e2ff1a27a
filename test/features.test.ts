/** docs/features.md is current, and every test that it names exists. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FEATURES } from "./features.ts";
import { PAGE, page } from "./features-page.ts";
import { lost } from "./shown.ts";

test("docs/features.md is what `node test/features-page.ts` writes", () => {
  assert.equal(readFileSync(PAGE, "utf8"), page());
});

test("every test that a feature names is in its file", () => {
  const named = FEATURES.flatMap(({ ours }) => ("tests" in ours ? ours.tests : []));
  assert.ok(named.length > 20);
  assert.deepEqual(lost(named), []);
});

test("a feature that Ferrule has names a test, and one that it lacks gives a reason", () => {
  for (const { name, ours } of FEATURES)
    if ("missing" in ours) assert.match(ours.missing, /\w{4}/, name);
    else assert.ok(ours.tests.length > 0, name);
});
