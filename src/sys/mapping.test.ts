import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { OutOfRange, Revoked } from "#kit/errors.ts";
import { Open, openFile, read, truncate } from "./fd.ts";
import { Mapping, createMemory } from "./mapping.ts";
import { addressOf } from "./memory.ts";

test("two mappings of one memory are the same memory", () => {
  using memory = createMemory("test", 8192);
  using a = Mapping.map(memory.number, 0, 8192, "a");
  using b = Mapping.map(memory.number, 4096, 4096, "b");
  new Int32Array(a.buffer)[1024] = 8169;
  assert.equal(new Int32Array(b.buffer)[0], 8169);
  assert.equal(b.buffer.byteLength, 4096);
});

test("a mapping outlives the descriptor from which it was made", () => {
  using scope = new DisposableStack();
  const memory = createMemory("test", 4096);
  const mapping = scope.use(Mapping.map(memory.number, 0, 4096, "memory"));
  memory[Symbol.dispose]();
  new Uint8Array(mapping.buffer)[0] = 1;
  assert.equal(new Uint8Array(mapping.buffer)[0], 1);
});

test("pieces of a memory can be mapped in another order, on multiples of their size", () => {
  const piece = 16_384;
  using memory = createMemory("test", 4 * piece);
  using whole = Mapping.map(memory.number, 0, 4 * piece, "whole");
  for (let i = 0; i < 4; i++) new Uint8Array(whole.buffer)[i * piece] = i + 1;
  const mapping = Mapping.gather(memory.number, [2 * piece, 0, 3 * piece], piece, "gathered");
  const bytes = new Uint8Array(mapping.buffer);
  assert.equal(bytes.length, 3 * piece);
  assert.deepEqual([bytes[0], bytes[piece], bytes[2 * piece]], [3, 1, 4]);
  assert.equal(addressOf(mapping.buffer) % BigInt(piece), 0n);
  bytes[piece] = 0xa5;
  assert.equal(new Uint8Array(whole.buffer)[0], 0xa5);
  mapping[Symbol.dispose]();
  assert.equal(bytes[piece], 0);
  assert.throws(() => Mapping.gather(memory.number, [100], piece, "askew"), { code: "EINVAL" });
});

test("private memory is zeroed, aligned to a huge page, and released like any other mapping", () => {
  const mapping = Mapping.allocate(5 << 20, "own");
  const words = new Int32Array(mapping.buffer);
  assert.equal(words.length, (5 << 20) / 4);
  assert.equal(addressOf(mapping.buffer) % BigInt(2 << 20), 0n);
  assert.equal(words[words.length - 1], 0);
  words[0] = 8169;
  assert.equal(words[0], 8169);
  mapping[Symbol.dispose]();
  assert.equal(words[0], 0);
  assert.throws(() => mapping.buffer, Revoked);
});

test("a view kept too long sees zeros, changes nothing, and does not fault", () => {
  using memory = createMemory("test", 4096);
  const mapping = Mapping.map(memory.number, 0, 4096, "memory");
  const stale = new Uint8Array(mapping.buffer);
  stale[0] = 0xa5;
  mapping[Symbol.dispose]();
  mapping[Symbol.dispose]();
  assert.throws(() => mapping.buffer, Revoked);
  assert.equal(stale[0], 0);
  stale[0] = 0x5a;
  const now = new Uint8Array(1);
  assert.equal(read(memory.number, now), 1);
  assert.equal(now[0], 0xa5);
});

test("shared memory keeps its length, so no mapping of it can fault", () => {
  using memory = createMemory("test", 8192);
  assert.throws(() => truncate(memory.number, 4096), { code: "EPERM" });
  assert.throws(() => truncate(memory.number, 16384), { code: "EPERM" });
});

test("a file is not mapped past its end", () => {
  const directory = mkdtempSync(join(tmpdir(), "ferrule-"));
  try {
    const path = join(directory, "file");
    writeFileSync(path, new Uint8Array(5000));
    using file = openFile(path, Open.readWrite);
    assert.throws(() => Mapping.map(file.number, 0, 8192, "file"), OutOfRange);
    assert.throws(() => Mapping.map(file.number, 4096, 1000, "file"), OutOfRange);
    using mapping = Mapping.map(file.number, 0, 5000, "file");
    new Uint8Array(mapping.buffer)[4999] = 7;
    assert.equal(readFileSync(path)[4999], 7);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("lengths and offsets that are invalid are rejected", () => {
  using memory = createMemory("test", 8192);
  for (const [offset, length] of [
    [0, 0],
    [0, -1],
    [-4096, 4096],
    [1, 4096],
    [0, NaN],
    [NaN, 4096],
  ] as const)
    assert.throws(() => Mapping.map(memory.number, offset, length, "memory"), OutOfRange);
});

test("a mapping that fails is an error with its number", () => {
  using file = openFile("/dev/null", Open.readOnly);
  assert.throws(() => Mapping.map(file.number, 0, 4096, "null"), { name: "SystemError" });
});
