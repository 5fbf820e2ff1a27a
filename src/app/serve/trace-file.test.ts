import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TraceFailed, TraceFile } from "./trace-file.ts";

test("holds every line once it is closed, and large pieces before", () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  try {
    const path = join(folder, "trace");
    const file = new TraceFile(path, assert.fail);
    file.line("first");
    assert.equal(readFileSync(path, "utf8"), "");
    for (let i = 0; i < 10_000; i++) file.line(`line ${i}`);
    assert.ok(readFileSync(path, "utf8").length > 60_000);
    file[Symbol.dispose]();
    file.line("too late");
    assert.equal(readFileSync(path, "utf8").split("\n").length, 10_002);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a full disk stops it once, with a hint", { skip: !existsSync("/dev/full") && "needs /dev/full" }, () => {
  const errors: TraceFailed[] = [];
  using file = new TraceFile("/dev/full", (error) => errors.push(error));
  file.line("lost");
  file.flush();
  file.line("lost");
  file.flush();
  assert.equal(errors.length, 1);
  assert.match(errors[0]!.message, /trace to \/dev\/full stopped: ENOSPC/);
  assert.match(errors[0]!.hint, /disk is full/);
});

test("a place that cannot be written to is refused at once", () => {
  assert.throws(() => new TraceFile("/nowhere/trace", assert.fail), TraceFailed);
});
