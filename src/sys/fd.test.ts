import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { SystemError } from "./errno.ts";
import { DescriptorClosed, Fd, Open, openFile, read, truncate, write } from "./fd.ts";

test("an owner closes its descriptor exactly once, and cannot be used afterwards", () => {
  const first = openFile("/dev/null", Open.readWrite);
  const { number } = first;
  first[Symbol.dispose]();
  // The kernel gives the lowest free number, so closing `first` twice would close `second`.
  using second = openFile("/dev/null", Open.readWrite);
  assert.equal(second.number, number);
  first[Symbol.dispose]();
  assert.equal(write(second.number, Uint8Array.of(1)), 1);
  assert.equal(first.open, false);
  assert.throws(() => first.number, DescriptorClosed);
});

test("a released descriptor is not closed by its former owner", () => {
  const first = openFile("/dev/null", Open.readWrite);
  using second = new Fd(first.release(), "the same");
  first[Symbol.dispose]();
  assert.equal(write(second.number, Uint8Array.of(1)), 1);
  assert.throws(() => first.release(), DescriptorClosed);
});

test("an invalid descriptor is rejected", () => {
  for (const number of [-1, 1.5, NaN]) assert.throws(() => new Fd(number, "nothing"), OutOfRange);
});

test("files are written, truncated, and read back", () => {
  const directory = mkdtempSync(join(tmpdir(), "ferrule-"));
  try {
    const path = join(directory, "file");
    using file = openFile(path, Open.readWrite | Open.create);
    assert.equal(write(file.number, new TextEncoder().encode("a ferrule")), 9);
    truncate(file.number, 5);
    assert.equal(readFileSync(path, "utf8"), "a fer");
    using again = openFile(path, Open.readOnly);
    const into = new Uint8Array(10);
    assert.equal(read(again.number, into.subarray(2)), 5);
    assert.equal(new TextDecoder().decode(into), "\0\0a fer\0\0\0");
    assert.equal(read(again.number, into), 0);
    assert.equal(read(again.number, new Uint8Array(0)), 0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("a file that does not exist is an error with its path", () => {
  assert.throws(
    () => openFile("/nonexistent/file", Open.readOnly),
    (error: unknown) =>
      error instanceof SystemError && error.code === "ENOENT" && error.message.includes("/nonexistent/file"),
  );
});

test("a full device is an error", () => {
  using full = openFile("/dev/full", Open.writeOnly);
  assert.throws(() => write(full.number, Uint8Array.of(1)), { code: "ENOSPC" });
});
