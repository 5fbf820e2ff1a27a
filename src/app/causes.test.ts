/** The table of causes: each has a counter, and is described in docs/recovery.md. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CAUSE_NAMES, CAUSES, sentenceOf } from "./causes.ts";
import { DRIVER_COUNTERS } from "./counters.ts";

test("each cause has a counter of its name, and a row in docs/recovery.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/recovery.md"), "utf8");
  for (const name of CAUSE_NAMES) {
    assert.ok((DRIVER_COUNTERS as readonly string[]).includes(name), name);
    assert.match(page, new RegExp(`^\\| \`${name}\` +\\|`, "m"));
  }
});

test("a cause has a description without a full stop and a hint with one, and an occurrence adds details", () => {
  for (const { what, hint } of Object.values(CAUSES)) {
    assert.ok(what.length > 10 && !what.endsWith("."), what);
    assert.match(hint, /[^.]\.$|`\.$/);
  }
  assert.equal(sentenceOf("systemErrors", "parity"), "the NIC reported a system error (parity)");
  assert.equal(sentenceOf("systemErrors"), "the NIC reported a system error");
});
