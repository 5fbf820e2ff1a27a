import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { Fd, Open, openFile, truncate } from "./fd.ts";
import { libc } from "./libc.ts";
import { Mapping, createMemory } from "./mapping.ts";
import { memoryFile } from "./memory-file.ts";
import { cString } from "./memory.ts";
import { BounceBuffer, PeerMemory } from "./peer-memory.ts";

const PAGE = 4096;
const place = (offset: number, length: number, pageBytes = PAGE) => ({ offset, length, pageBytes, readOnly: false });
const MFD_HUGETLB = 4;

test("bytes are copied out and in at any offset, in pieces of any length", () => {
  const bytes = 64 * PAGE;
  using memory = createMemory("peer", bytes + PAGE, { sealed: false });
  using theirs = Mapping.map(memory.number, PAGE, bytes, "theirs");
  const content = new Uint8Array(theirs.buffer);
  content.forEach((_, i) => (content[i] = i ^ (i >> 8)));
  using bounce = new BounceBuffer();
  using peer = new PeerMemory(memory.number, place(PAGE, bytes), bounce);
  const copy = new Uint8Array(bytes);
  for (const [at, length] of [
    [0, 1],
    [4095, 2],
    [3, 200_000],
  ] as const) {
    assert.ok(peer.read(at, copy, at, length));
    assert.deepEqual(copy.subarray(at, at + length), content.subarray(at, at + length));
    copy.fill(7, at, at + length);
    assert.ok(peer.write(at, copy, at, length));
    assert.deepEqual(content.subarray(at, at + length), copy.subarray(at, at + length));
  }
});

test("a copy from memory that its owner truncated fails without a signal; the rest can still be copied", () => {
  using memory = createMemory("peer", 2 * PAGE, { sealed: false });
  using bounce = new BounceBuffer();
  using peer = new PeerMemory(memory.number, place(0, 2 * PAGE), bounce);
  const copy = new Uint8Array(2 * PAGE);
  truncate(memory.number, PAGE);
  assert.equal(peer.read(PAGE, copy, 0, 1), false);
  assert.equal(peer.read(PAGE - 1, copy, 0, 2), false);
  assert.equal(peer.write(PAGE, copy, 0, 1), false);
  assert.ok(peer.read(0, copy, 0, PAGE));
  truncate(memory.number, 2 * PAGE);
  assert.ok(peer.write(PAGE, copy, 0, PAGE));
});

test("copies stay inside the mapped range, and are refused once it is unmapped", () => {
  using memory = createMemory("peer", 4 * PAGE, { sealed: false });
  using bounce = new BounceBuffer();
  const peer = new PeerMemory(memory.number, place(PAGE, 2 * PAGE), bounce);
  const copy = new Uint8Array(3 * PAGE);
  for (const [at, length] of [
    [-1, 2],
    [2 * PAGE, 1],
    [0, 3 * PAGE],
    [NaN, 1],
  ] as const) {
    assert.throws(() => peer.read(at, copy, 0, length), OutOfRange);
    assert.throws(() => peer.write(at, copy, 0, length), OutOfRange);
  }
  peer[Symbol.dispose]();
  peer[Symbol.dispose]();
  assert.throws(() => peer.read(0, copy, 0, 1), OutOfRange);
  assert.doesNotMatch(readFileSync("/proc/self/maps", "utf8"), /memfd:peer/);
});

test("read-only memory cannot be written, and a read-only descriptor is not mapped for writing", () => {
  using memory = createMemory("peer", PAGE, { sealed: false });
  using bounce = new BounceBuffer();
  using readable = openFile(`/proc/self/fd/${memory.number}`, Open.readOnly);
  assert.throws(() => new PeerMemory(readable.number, place(0, PAGE), bounce), { code: "EACCES" });
  using peer = new PeerMemory(readable.number, { ...place(0, PAGE), readOnly: true }, bounce);
  const copy = new Uint8Array(PAGE);
  assert.ok(peer.read(0, copy, 0, 1));
  assert.equal(peer.write(0, copy, 0, 1), false);
});

test("huge pages are copied, also from offsets inside a page; a copy fails if the kernel has no free huge page", (t) => {
  // SAFETY: the result of cString is valid until its next call.
  const number = libc.memfd_create(cString("huge"), MFD_HUGETLB);
  if (number < 0) {
    t.skip("the kernel has no huge pages");
    return;
  }
  using huge = new Fd(number, "huge pages");
  truncate(huge.number, 4 << 20);
  using bounce = new BounceBuffer();
  const { pageBytes } = memoryFile(huge.number)!;
  using peer = new PeerMemory(huge.number, place(0xc0000, 1 << 20, pageBytes), bounce);
  const copy = new Uint8Array(16).fill(5);
  // The write fails on a machine without free huge pages.
  if (!peer.write(8, copy, 0, 16)) return;
  const back = new Uint8Array(16);
  assert.ok(peer.read(8, back, 0, 16));
  assert.deepEqual(back, copy);
});
