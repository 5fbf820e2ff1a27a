import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { EventFd } from "./eventfd.ts";
import { Fd, truncate } from "./fd.ts";
import { libc } from "./libc.ts";
import { MapWindow, MapWindows, fileBytes, keepsItsLength } from "./map-window.ts";
import { Mapping, createMemory } from "./mapping.ts";
import { cString } from "./memory.ts";

const withFile = (bytes: number, act: (fd: number) => void): void => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-window-"));
  const path = join(folder, "file");
  writeFileSync(path, new Uint8Array(bytes).fill(3));
  const fd = openSync(path, "r+");
  try {
    act(fd);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
};

test("a window shows zeros, then memory, then zeros again, in views that never change", () => {
  using memory = createMemory("shown", 8192);
  using mine = Mapping.map(memory.number, 0, 8192, "mine");
  const window = new MapWindow(8192);
  const { bytes, words } = window;
  assert.equal(bytes[4096], 0);
  window.show(memory.number, 4096, 4096, false);
  bytes[1] = 7;
  assert.equal(new Uint8Array(mine.buffer)[4097], 7);
  assert.equal(words[0], 0x700);
  bytes[5000] = 1;
  window.clear();
  assert.equal(bytes[1], 0);
  assert.equal(bytes[5000], 0);
  bytes[1] = 9;
  assert.equal(new Uint8Array(mine.buffer)[4097], 7);
});

test("what is shown read-only is followed, and never changed", () => {
  using memory = createMemory("shown", 4096);
  using mine = Mapping.map(memory.number, 0, 4096, "mine");
  const window = new MapWindow(4096);
  window.show(memory.number, 0, 4096, true);
  new Uint8Array(mine.buffer)[0] = 1;
  assert.equal(window.bytes[0], 1);
  window.bytes[0] = 2;
  assert.equal(new Uint8Array(mine.buffer)[0], 1);
});

test("more than the window or the file has is refused, and nothing changes", () => {
  using memory = createMemory("shown", 8192);
  using event = EventFd.create();
  const window = new MapWindow(8192);
  window.show(memory.number, 0, 8192, false);
  window.bytes[0] = 1;
  for (const [fd, offset, length] of [
    [memory.number, 4096, 8192],
    [memory.number, 0, 16384],
    [memory.number, 0, 0],
    [memory.number, 0, 100],
    [memory.number, 100, 4096],
    [memory.number, -4096, 4096],
    [memory.number, NaN, 4096],
    [event.number, 0, 4096],
  ] as const)
    assert.throws(() => window.show(fd, offset, length, false), OutOfRange);
  assert.equal(window.bytes[0], 1);
  for (const length of [0, 100, 2 ** 31, -4096, NaN]) assert.throws(() => new MapWindow(length), OutOfRange);
});

test("a file is copied in and out, as far as it goes", () => {
  withFile(8192, (fd) => {
    const window = new MapWindow(8192);
    assert.ok(window.load(fd, 4096, 100, 4));
    assert.deepEqual([...window.bytes.subarray(99, 105)], [0, 3, 3, 3, 3, 0]);
    window.bytes[0] = 9;
    assert.ok(window.save(fd, 1, 0, 1));
    truncate(fd, 4096);
    assert.equal(window.load(fd, 4094, 0, 4), false);
    assert.throws(() => window.load(fd, 0, 8190, 4), OutOfRange);
    assert.throws(() => window.save(fd, 0, -1, 4), OutOfRange);
  });
});

test("memory keeps its length when it is sealed, or lets itself be sealed; a file never does", () => {
  using sealed = createMemory("sealed", 4096);
  using unsealed = createMemory("unsealed", 4096, { sealed: false });
  assert.ok(keepsItsLength(sealed.number));
  assert.ok(keepsItsLength(unsealed.number));
  assert.throws(() => truncate(unsealed.number, 0), { code: "EPERM" });
  withFile(1, (fd) => assert.equal(keepsItsLength(fd), false));
  using event = EventFd.create();
  assert.equal(keepsItsLength(event.number), false);
  assert.equal(fileBytes(event.number), undefined);
  assert.equal(fileBytes(sealed.number), 4096);
});

test("windows are used again, and hold nothing in between", () => {
  const windows = new MapWindows();
  const first = windows.take(5000);
  assert.equal(first.bytes.length, 8192);
  using memory = createMemory("returned", 8192);
  first.show(memory.number, 0, 8192, false);
  first.bytes[0] = 1;
  windows.give(first);
  assert.equal(windows.take(8192), first);
  assert.equal(first.bytes[0], 0);
  assert.notEqual(windows.take(8192), first);
  assert.doesNotMatch(readFileSync("/proc/self/maps", "utf8"), /memfd:returned/);
});

test("a file of huge pages is not taken for one: there may be none of them left", (t) => {
  const HUGE = 4;
  // SAFETY: cString's text stands until the next one.
  const number = libc.memfd_create(cString("huge"), HUGE);
  if (number < 0) {
    t.skip("the kernel has no huge pages");
    return;
  }
  using huge = new Fd(number, "huge pages");
  truncate(huge.number, 2 << 20);
  assert.equal(fileBytes(huge.number), undefined);
});
