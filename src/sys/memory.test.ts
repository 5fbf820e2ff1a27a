import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { OutOfRange } from "#kit/errors.ts";
import { Errno } from "./errno.ts";
import { EventFd } from "./eventfd.ts";
import { ffi } from "./ffi.ts";
import { Iovecs, Struct, addressOf, cString, readv, writev } from "./memory.ts";
import { UnixSocket } from "./unix-socket.ts";

test("the address of a buffer is where its bytes are, shared or not", () => {
  for (const buffer of [new ArrayBuffer(16), new SharedArrayBuffer(16)]) {
    new Uint8Array(buffer)[3] = 0xa5;
    assert.equal(ffi().getUint8(addressOf(buffer), 3), 0xa5);
  }
});

test("an empty buffer has no address", () => {
  assert.throws(() => addressOf(new ArrayBuffer(0)), OutOfRange);
});

test("a structure's bytes and view are the same memory", () => {
  const struct = new Struct(8);
  struct.view.setUint32(4, 0x01020304, true);
  assert.deepEqual([...struct.bytes], [0, 0, 0, 0, 4, 3, 2, 1]);
  assert.equal(ffi().getUint32(struct.address, 4), 0x01020304);
});

test("text goes to C with a NUL at its end, and text that C cannot hold is rejected", () => {
  assert.equal(ffi().toString(cString("longer text")), "longer text");
  assert.equal(ffi().toString(cString("née")), "née");
  assert.equal(ffi().toString(cString("")), "");
  assert.throws(() => cString("a\0b"), OutOfRange);
  assert.equal(ffi().toString(cString("x".repeat(4095)))?.length, 4095);
  assert.throws(() => cString("x".repeat(4096)), OutOfRange);
});

/** An entry as seen by the kernel: address and length. */
const entry = (iovecs: Iovecs, i: number) => ({
  base: ffi().getUint64(iovecs.address, i * 16),
  length: ffi().getUint64(iovecs.address, i * 16 + 8),
});

test("an entry names the address and length of its piece, in either buffer", () => {
  const base = new ArrayBuffer(4096);
  const side = new SharedArrayBuffer(64);
  const iovecs = new Iovecs(3, base, side);
  iovecs.point(0, 0, 4096);
  iovecs.point(2, 100, 1514);
  iovecs.pointAside(1, 12, 52);
  assert.deepEqual(entry(iovecs, 0), { base: addressOf(base), length: 4096n });
  assert.deepEqual(entry(iovecs, 1), { base: addressOf(side) + 12n, length: 52n });
  assert.deepEqual(entry(iovecs, 2), { base: addressOf(base) + 100n, length: 1514n });
});

test("an address whose low half overflows carries into the high half", () => {
  // Reserves 4 GiB of address space without accessing it, so that some offset crosses a multiple of 4 GiB.
  const base = new SharedArrayBuffer(2 ** 32);
  const iovecs = new Iovecs(1, base);
  const at = addressOf(base);
  const crossing = Number(2n ** 32n - (at % 2n ** 32n));
  for (const offset of [0, 1, crossing - 1, crossing, crossing + 1, 2 ** 32 - 1]) {
    if (offset >= 2 ** 32) continue;
    iovecs.point(0, offset, 1);
    assert.equal(entry(iovecs, 0).base, at + BigInt(offset), `offset ${offset}`);
  }
});

test("no entry can exceed its buffer, whatever the numbers", () => {
  const base = new ArrayBuffer(1000);
  const side = new ArrayBuffer(10);
  const iovecs = new Iovecs(2, base, side);
  const number = fc.oneof(fc.integer(), fc.integer({ min: -2, max: 1002 }), fc.double());
  fc.assert(
    fc.property(number, number, number, fc.boolean(), (i, offset, length, aside) => {
      try {
        if (aside) iovecs.pointAside(i, offset, length);
        else iovecs.point(i, offset, length);
      } catch (error) {
        assert.ok(error instanceof OutOfRange);
      }
      for (const k of [0, 1]) {
        const { base: at, length: bytes } = entry(iovecs, k);
        const isIn = (buffer: ArrayBuffer) =>
          at >= addressOf(buffer) && at + bytes <= addressOf(buffer) + BigInt(buffer.byteLength);
        assert.ok((at === 0n && bytes === 0n) || isIn(base) || isIn(side));
      }
    }),
    { seed: 8169, numRuns: 2000 },
  );
});

test("tables of no entries, or more than the kernel takes, are refused", () => {
  for (const count of [0, -1, 1.5, 1025, NaN]) assert.throws(() => new Iovecs(count, new ArrayBuffer(8)), OutOfRange);
});

test("readv and writev move pieces in order, and return the number of bytes", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  const memory = new Uint8Array(256).map((_, i) => i);
  const header = Uint8Array.of(0xff, 0xfe);
  const out = new Iovecs(3, memory.buffer, header.buffer);
  out.pointAside(0, 0, 2);
  out.point(1, 200, 3);
  out.point(2, 10, 2);
  assert.equal(writev(a.number, out, 3), 7);
  const into = new Uint8Array(16);
  const back = new Iovecs(2, into.buffer);
  back.point(0, 8, 4);
  back.point(1, 0, 8);
  assert.equal(readv(b.number, back, 2), 7);
  assert.deepEqual([...into], [202, 10, 11, 0, 0, 0, 0, 0, 0xff, 0xfe, 200, 201, 0, 0, 0, 0]);
  assert.equal(readv(b.number, back, 2), -Errno.EAGAIN);
});

test("more entries than the table has are never passed to the kernel", () => {
  const iovecs = new Iovecs(1, new ArrayBuffer(8));
  assert.throws(() => readv(0, iovecs, 2), OutOfRange);
  assert.throws(() => writev(1, iovecs, 2), OutOfRange);
});

test("a closed descriptor results in an error number, not an exception", () => {
  const event = EventFd.create();
  const { number } = event;
  event[Symbol.dispose]();
  assert.equal(readv(number, new Iovecs(1, new ArrayBuffer(8)), 1), -Errno.EBADF);
});
