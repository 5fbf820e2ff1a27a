import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { madeUp } from "../compare/comparison.test-kit.ts";
import { recordedTerminal } from "../terminal/terminal.test-kit.ts";
import { compare } from "./compare.ts";
import { main } from "./main.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "ferrule-compare-test-"));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

const GOOD = join(FOLDER, "good.json");
writeFileSync(GOOD, JSON.stringify(madeUp()));

const run = async (...words: string[]): Promise<{ exit: number; out: string; err: string }> => {
  const terminal = recordedTerminal();
  const exit = await main(["compare", ...words], [compare], terminal);
  return { exit, out: terminal.out.text, err: terminal.err.text };
};

test("a comparison from a file is printed as tables, without colours if the output is not a terminal", async () => {
  const { exit, out, err } = await run("--from", GOOD);
  assert.deepEqual([exit, err], [0, ""]);
  assert.match(out, /^In short\n/);
  assert.ok(!out.includes("\u001b"));
});

test("--json prints a line for each row, and --from can read the output", async () => {
  const { out } = await run("--from", GOOD, "--json");
  assert.deepEqual(JSON.parse(out), madeUp());
  const { throughput, latency, sameThread } = madeUp();
  assert.equal(out.match(/^ {4}\{"peer":/gm)?.length, throughput.length + latency.length + sameThread.length);
});

test("--html also writes the page, and reports its path", async () => {
  const page = join(FOLDER, "page.html");
  const { exit, out, err } = await run("--from", GOOD, "--json", "--html", page);
  assert.equal(exit, 0);
  JSON.parse(out);
  assert.match(err, /page\.html: open it in a browser\n$/);
  assert.match(readFileSync(page, "utf8"), /^<!doctype html>/);
});

test("a page that cannot be written is reported before anything is measured", async () => {
  const { exit, out, err } = await run("--html", join(FOLDER, "none", "page.html"));
  assert.deepEqual([exit, out], [1, ""]);
  assert.match(err, /page\.html cannot be written \[ENOENT\]\nhint: /);
});

test("a file that is not a comparison is rejected with the wrong field, and no page is left", async () => {
  const bad = join(FOLDER, "bad.json");
  writeFileSync(bad, JSON.stringify({ ...madeUp(), seconds: "long" }));
  const page = join(FOLDER, "unwritten.html");
  const { exit, out, err } = await run("--from", bad, "--html", page);
  assert.deepEqual([exit, out], [1, ""]);
  assert.match(
    err,
    /bad\.json is not a comparison: seconds is "long", not a number from 0\nhint: `ferrule compare --json/,
  );
  assert.equal(existsSync(page), false);
});

test("an existing page is kept if no new one is written", async () => {
  const page = join(FOLDER, "kept.html");
  writeFileSync(page, "old");
  assert.equal((await run("--from", join(FOLDER, "missing.json"), "--html", page)).exit, 1);
  assert.equal(readFileSync(page, "utf8"), "old");
});

test("--quick with --from is refused", async () => {
  const { exit, err } = await run("--quick", "--from", GOOD);
  assert.equal(exit, 2);
  assert.match(err, /--from measures nothing\nhint: Omit one of them/);
});
