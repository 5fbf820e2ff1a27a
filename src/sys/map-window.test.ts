import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { EventFd } from "./eventfd.ts";
import { MapWindow, MapWindows } from "./map-window.ts";
import { Mapping, createMemory } from "./mapping.ts";

test("a window maps zeros, then memory, then zeros again, with the same views", () => {
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

test("read-only memory is visible in the window and never changed", () => {
  using memory = createMemory("shown", 4096);
  using mine = Mapping.map(memory.number, 0, 4096, "mine");
  const window = new MapWindow(4096);
  window.show(memory.number, 0, 4096, true);
  new Uint8Array(mine.buffer)[0] = 1;
  assert.equal(window.bytes[0], 1);
  window.bytes[0] = 2;
  assert.equal(new Uint8Array(mine.buffer)[0], 1);
});

test("a range beyond the end of the window or of the file is refused, and nothing changes", () => {
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

test("a file that could become shorter is not mapped: the next access would kill this process", () => {
  using unsealed = createMemory("unsealed", 4096, { sealed: false });
  const window = new MapWindow(4096);
  assert.throws(() => window.show(unsealed.number, 0, 4096, false), OutOfRange);
});

test("windows are used again, and hold no memory until then", () => {
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
