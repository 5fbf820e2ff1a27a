import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { TraceFailed, TraceFile, TraceIncomplete } from "./trace-file.ts";

test("a trace file is complete once it is closed; before that it is written in large pieces", () => {
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

test(
  "a full disk ends the trace, which is reported once, with a hint",
  { skip: !existsSync("/dev/full") && "needs /dev/full" },
  () => {
    const errors: Error[] = [];
    using file = new TraceFile("/dev/full", (error) => errors.push(error));
    file.line("lost");
    file.flush();
    file.line("lost");
    file.flush();
    assert.equal(errors.length, 1);
    assert.match(errors[0]!.message, /trace to \/dev\/full stopped: ENOSPC/);
    assert.match((errors[0] as TraceFailed).hint, /disk is full/);
  },
);

test("a path that cannot be written is rejected at once", () => {
  assert.throws(() => new TraceFile("/nowhere/trace", assert.fail), TraceFailed);
});

test("a pipe never blocks: without a reader it is rejected, and with a slow one whole lines are dropped", () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-"));
  try {
    const path = join(folder, "pipe");
    execFileSync("mkfifo", [path]);
    assert.throws(() => new TraceFile(path, assert.fail), { message: /ENXIO/, hint: /start the reader/ });
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const errors: Error[] = [];
    const file = new TraceFile(path, (error) => errors.push(error));
    for (let i = 0; i < 50_000; i++) file.line(`line ${i}`);
    assert.equal(errors.length, 1);
    assert.ok(errors[0] instanceof TraceIncomplete);
    const into = new Uint8Array(1 << 20);
    let end = readSync(reader, into);
    file.flush();
    end += readSync(reader, into, end, into.length - end, null);
    file.line("last");
    file[Symbol.dispose]();
    end += readSync(reader, into, end, into.length - end, null);
    closeSync(reader);
    const lines = new TextDecoder().decode(into.subarray(0, end)).split("\n");
    assert.ok(lines.slice(0, -2).every((line, i) => line === `line ${i}`));
    assert.deepEqual(lines.slice(-2), ["last", ""]);
    assert.equal(errors.length, 1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
