/**
 * On a bus that checks DMA (`checked` of src/bus/direct.ts), a chip can access only allocated memory, and only in the
 * direction of the allocation.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DTCCR, DTCCRHigh, Dtccr } from "#chip/registers.ts";
import type { Direction, DmaMemory } from "#kit/dma.ts";
import { payload } from "../rigs/frames.ts";
import { openDirectRig } from "../rigs/direct.ts";

const open = () => {
  const rig = openDirectRig({ strict: "warn" });
  rig.up();
  const memory = (direction: Direction): DmaMemory =>
    rig.dma.allocate({ what: "a test", bytes: 256, align: 64, direction });
  /** Makes the chip write its counters to this memory. */
  const dump = ({ iova }: Pick<DmaMemory, "iova">): void => {
    rig.registers.writeHigh(DTCCRHigh, iova);
    rig.registers.writeLow(DTCCR, iova, Dtccr.dump);
    rig.pass(1000);
  };
  /** Makes the chip read a frame from this memory. Returns whether the frame was sent. */
  const send = ({ offset }: Pick<DmaMemory, "offset">): boolean => {
    rig.dma.window.bytes.set(payload(60), offset);
    const before = rig.sent.length;
    const { link } = rig.nic.rings;
    link.burst.set([offset, 60, 0, 0]);
    link.transmit(0, 1);
    rig.pass(1000);
    return rig.sent.length > before;
  };
  const refused = (): number => rig.model.offences.outside;
  return { rig, memory, dump, send, refused, [Symbol.dispose]: () => rig[Symbol.dispose]() };
};

test("the chip can only read memory of direction `toDevice`, and only write memory of direction `fromDevice`", () => {
  for (const [direction, readable, writable] of [
    ["toDevice", true, false],
    ["fromDevice", false, true],
    ["both", true, true],
  ] as const) {
    using bench = open();
    const piece = bench.memory(direction);
    piece.bytes.fill(0xee);
    bench.dump(piece);
    assert.equal(bench.refused() === 0, writable, direction);
    assert.equal(piece.bytes[0] !== 0xee, writable, direction);
    if (!writable) continue;
    assert.equal(bench.send(piece), readable, direction);
    assert.equal(bench.refused() === 0, readable, direction);
  }
  using bench = open();
  assert.ok(bench.send(bench.memory("toDevice")));
  assert.equal(bench.refused(), 0);
});

test("accesses to unallocated or freed memory, or beyond the end of an allocation, are rejected", () => {
  for (const prepare of [
    ({ rig }: ReturnType<typeof open>) => ({ offset: rig.dma.window.bytes.length - 4096 }),
    ({ memory }: ReturnType<typeof open>) => {
      using piece = memory("toDevice");
      return { offset: piece.offset };
    },
    ({ memory }: ReturnType<typeof open>) => {
      const [first] = [memory("toDevice"), memory("toDevice")];
      return { offset: first.offset + first.length - 32 };
    },
  ]) {
    using bench = open();
    assert.equal(bench.send(prepare(bench)), false);
    assert.equal(bench.refused(), 1);
  }
});

test("memory that the chip has used is inaccessible to it as soon as it is freed", () => {
  using bench = open();
  const piece = bench.memory("toDevice");
  assert.ok(bench.send(piece));
  assert.equal(bench.rig.nic.rings.link.sent(), 1);
  const { offset } = piece;
  piece[Symbol.dispose]();
  assert.equal(bench.send({ offset }), false);
  assert.equal(bench.refused(), 1);
});
