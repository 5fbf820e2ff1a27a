import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { DmaArena, DmaExhausted, type DmaMemory, type DmaRequest } from "./dma.ts";
import { OutOfRange, Revoked } from "./errors.ts";

const IOVA = 0x1234_5000;
const arena = (bytes = 64 * 1024): DmaArena => new DmaArena(new ArrayBuffer(bytes), IOVA);
const request = (bytes: number, align = 8): DmaRequest => ({ what: "a test", bytes, align, direction: "both" });

test("the device address of a piece has the alignment that was requested", () => {
  const dma = new DmaArena(new ArrayBuffer(0x8000), 0x7000);
  dma.allocate(request(8));
  for (const align of [8, 64, 256, 4096, 8192]) {
    const piece = dma.allocate(request(24, align));
    assert.equal(piece.iova % align, 0);
    assert.equal(piece.iova, 0x7000 + piece.offset);
  }
});

test("a piece is the same memory as its part of the window, as bytes and as words", () => {
  const dma = arena();
  dma.allocate(request(64));
  const piece = dma.allocate({ ...request(30), direction: "toDevice" });
  piece.words[1] = 0x0403_0201;
  assert.deepEqual([...piece.bytes.subarray(4, 8)], [1, 2, 3, 4]);
  assert.equal(dma.window.bytes[piece.offset + 5], 2);
  assert.equal(dma.window.words[(piece.offset >> 2) + 1], 0x0403_0201);
  assert.equal(piece.length, 32, "lengths are rounded up to 8 bytes");
  assert.equal(piece.bytes.length, piece.length);
  assert.equal(piece.direction, "toDevice");
});

test("pieces never overlap, stay in the window, are zeroed, and free memory is one span in the end", () => {
  const step = fc.oneof(
    fc.record({ bytes: fc.integer({ min: 1, max: 900 }), align: fc.constantFrom(8, 16, 256, 1024) }),
    fc.nat(20),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const dma = arena(8192);
      // The reference allocator: the owner of each byte of the window.
      const owner = new Int32Array(8192);
      const pieces: { id: number; memory: DmaMemory }[] = [];
      for (const [i, now] of steps.entries()) {
        if (typeof now === "number") {
          const [gone] = pieces.splice(now, 1);
          if (gone === undefined) continue;
          owner.fill(0, gone.memory.offset, gone.memory.offset + gone.memory.length);
          gone.memory[Symbol.dispose]();
          continue;
        }
        let memory: DmaMemory;
        try {
          memory = dma.allocate(request(now.bytes, now.align));
        } catch (error) {
          assert.ok(error instanceof DmaExhausted);
          assert.ok(!fits(owner, now.bytes, now.align), "there was room");
          continue;
        }
        assert.ok(memory.length >= now.bytes && memory.iova % now.align === 0);
        for (const taken of owner.subarray(memory.offset, memory.offset + memory.length)) assert.equal(taken, 0);
        for (const byte of memory.bytes) assert.equal(byte, 0);
        memory.bytes.fill(0xa5);
        owner.fill(i + 1, memory.offset, memory.offset + memory.length);
        pieces.push({ id: i + 1, memory });
      }
      assert.equal(dma.live, pieces.length);
      for (const { memory } of pieces) for (const byte of memory.bytes) assert.equal(byte, 0xa5);
      for (const { memory } of pieces) memory[Symbol.dispose]();
      assert.equal(dma.allocate(request(8192)).offset, 0);
    }),
  );
});

/** Whether the reference allocator has `bytes` contiguous free bytes with this alignment. */
const fits = (owner: Int32Array, bytes: number, align: number): boolean => {
  const length = Math.ceil(bytes / 8) * 8;
  for (let start = 0; start + length <= owner.length; start += 8)
    if ((IOVA + start) % align === 0 && owner.subarray(start, start + length).every((id) => id === 0)) return true;
  return false;
};

test("adjacent pieces form one free span, in whatever order they are freed", () => {
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [0, 2, 1],
    [1, 0, 2],
  ]) {
    const dma = arena(3 * 1024);
    const pieces = [dma.allocate(request(1024)), dma.allocate(request(1024)), dma.allocate(request(1024))];
    for (const i of order) pieces[i]![Symbol.dispose]();
    assert.equal(dma.allocate(request(3 * 1024)).length, 3 * 1024);
  }
});

test("an exhausted window reports the purpose and the space left", () => {
  const dma = arena(4096);
  dma.allocate(request(4000));
  assert.throws(() => dma.allocate({ ...request(256), what: "the receive ring" }), {
    code: "DMA_EXHAUSTED",
    message: "no 256 contiguous bytes of DMA memory for the receive ring: 96 bytes are free in all",
  });
  assert.equal(dma.allocate(request(96)).length, 96);
});

test("access to a freed piece throws an error with the piece's name, and freeing it twice has no effect", () => {
  const dma = arena();
  const first = dma.allocate(request(256));
  first[Symbol.dispose]();
  const second = dma.allocate(request(256));
  assert.equal(second.offset, first.offset);
  first[Symbol.dispose]();
  assert.equal(dma.live, 1);
  assert.notEqual(dma.allocate(request(256)).offset, second.offset);
  assert.throws(() => first.bytes, new Revoked("a test"));
  assert.throws(() => first.words, Revoked);
});

test("when the device is gone, every piece is revoked and nothing more can be allocated", () => {
  const dma = arena();
  const pieces = [dma.allocate(request(8)), dma.allocate(request(8))];
  dma.revoke();
  for (const piece of pieces) assert.throws(() => piece.bytes, Revoked);
  assert.equal(dma.live, 0);
  assert.throws(() => dma.allocate(request(8)), Revoked);
  for (const piece of pieces) piece[Symbol.dispose]();
  dma[Symbol.dispose]();
});

test("sizes and alignments that are invalid are rejected", () => {
  const dma = arena();
  for (const bytes of [0, -8, 1.5, NaN, Infinity]) assert.throws(() => dma.allocate(request(bytes)), OutOfRange);
  for (const align of [0, 4, 12, 8.5, NaN, -8, 2 ** 31, 2 ** 32 + 2 ** 33])
    assert.throws(() => dma.allocate(request(8, align)), OutOfRange);
});

test("a DMA window is rejected if it is empty, not page-aligned, ends beyond 2^53 or crosses a 4 GiB boundary", () => {
  const memory = new ArrayBuffer(8192);
  for (const iova of [1, 4095, -4096, 0.5, NaN, 2 ** 32 - 4096, 2 ** 53])
    assert.throws(() => new DmaArena(memory, iova), OutOfRange);
  assert.throws(() => new DmaArena(new ArrayBuffer(0), 4096), OutOfRange);
  for (const iova of [0, 2 ** 32 - 8192, 2 ** 32]) assert.equal(new DmaArena(memory, iova).iova, iova);
});
