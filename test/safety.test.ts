/** docs/safety.md is current, and every test that it names exists. */
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FIXED, OPEN_IN_C } from "./safety.ts";
import { PAGE, aboutMemory, page } from "./safety-page.ts";
import { lost } from "./shown.ts";

const ROOT = join(import.meta.dirname, "..");
const ALL = [...FIXED, ...OPEN_IN_C];

test("docs/safety.md is what `node test/safety-page.ts` writes", () => {
  assert.equal(readFileSync(PAGE, "utf8"), page());
});

test("every test that a fault names is in its file", () => {
  assert.deepEqual(lost(ALL.flatMap(({ tests }) => tests)), []);
});

test("every fault states what prevents it, and names a test", () => {
  for (const { what, by, tests } of ALL) assert.ok(by.length > 10 && tests.length > 0, what);
  const named = ALL.map(({ what }) => what);
  assert.equal(new Set(named).size, named.length);
});

test("the driver has no lock, and waits for no other thread", () => {
  const folder = join(ROOT, "src/driver");
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  assert.ok(files.length > 30);
  const waits = files.filter((name) =>
    /Atomics\.(wait|notify|exchange|compareExchange)|\block\(|\bawait\b/.test(readFileSync(join(folder, name), "utf8")),
  );
  assert.deepEqual(waits, []);
});

test("no fault about memory, races or lifetime is prevented by a value alone", () => {
  const left = aboutMemory(FIXED).filter(
    ({ kept, tests }) => kept === "tested" && tests.some(({ title }) => title === ""),
  );
  assert.deepEqual(left, []);
});
