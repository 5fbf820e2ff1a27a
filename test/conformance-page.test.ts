/** docs/conformance.md and docs/conformance.json, and the report that generates them from results. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { merged, PAGE, pageOf, recorded, type Run } from "./conformance-guest/report.ts";

const MAX_LINES = 250;
const linesOf = (page: string): readonly string[] => page.trimEnd().split("\n");

const run = (on: string, other: Partial<Run> = {}): Run => ({
  subject: "ping",
  on,
  passed: ["small echoes", "large echoes"],
  failed: {},
  skipped: {},
  notes: {},
  ...other,
});

test("the page is generated from the recorded runs", () => {
  assert.ok(recorded().length > 0);
  assert.equal(readFileSync(PAGE, "utf8"), pageOf(recorded()));
});

test(`the page has at most ${MAX_LINES} lines`, () => {
  assert.ok(linesOf(pageOf(recorded())).length <= MAX_LINES);
});

test("tests are counted by subject, chip and kernel", () => {
  const page = pageOf(
    merged([
      run("rtl8168h on Linux 6.12", { skipped: { "jumbo frames": "RTL8168h has none" } }),
      run("rtl8125b on Linux 6.12"),
      run("rtl8125b on Linux 6.1"),
    ]),
  );
  assert.match(page, /^\| subject \| Linux 6\.1 \| Linux 6\.12 \|$/m);
  assert.match(page, /^\| ping \| 2 ✔ \| 4 ✔, 1 – \|$/m);
  assert.match(page, /^\| rtl8168h \| {2}\| 2 ✔, 1 – \|$/m);
  assert.match(page, /^\| rtl8125b \| 2 ✔ \| 2 ✔ \|$/m);
  assert.match(page, /^- ping: the chip has none \(1\)$/m);
  assert.match(page, /^## Failed\n\nNone\.$/m);
});

test("a failure is listed with its reason, on one line", () => {
  const failed = { "jumbo frames": "lost | 3\nof 10" };
  const page = pageOf([run("rtl8168h on Linux 6.12", { failed })]);
  assert.match(page, /^\| ping \| 2 ✔, 1 ✘ \|$/m);
  assert.match(page, /^- ping, rtl8168h on Linux 6\.12, jumbo frames: lost \\\| 3 of 10$/m);
});

test("any number of failures is counted, and the page stays short", () => {
  const failed = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`test ${i}`, "wrong"]));
  const page = pageOf([run("rtl8168h on Linux 6.12", { failed })]);
  assert.ok(linesOf(page).length <= MAX_LINES);
  assert.match(page, /^- and 950 more$/m);
});

test("the last run of a subject on a chip and kernel replaces the whole earlier run", () => {
  const before = run("rtl8168h on Linux 6.12", { failed: { "a test that has another name now": "wrong" } });
  const [now, ...others] = merged([before, run("rtl8168h on Linux 6.12")]);
  assert.deepEqual(others, []);
  assert.deepEqual(now!.failed, {});
});
