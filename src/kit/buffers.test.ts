import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { BufferPool, type Buffers, CheckedBufferPool, type CpuBuffer, NONE } from "./buffers.ts";
import { DmaArena, type DmaMemory } from "./dma.ts";
import { Misuse, OutOfRange } from "./errors.ts";

const BYTES = 2048;

/** Room for `count` buffers, not at the start of the window. */
const memory = (count: number, spare = 0): DmaMemory => {
  const arena = new DmaArena(new ArrayBuffer(BYTES * (count + 2)), 0x10_0000);
  arena.allocate({ what: "something before", bytes: 256, align: 8, direction: "both" });
  return arena.allocate({ what: "buffers", bytes: count * BYTES + spare, align: 2048, direction: "both" });
};

/** A buffer, or a failed test. */
const one = (pool: Buffers): CpuBuffer => {
  const buffer = pool.take();
  assert.notEqual(buffer, NONE);
  return buffer as CpuBuffer;
};

for (const [name, Pool] of [
  ["plain", BufferPool],
  ["checked", CheckedBufferPool],
] as const) {
  test(`a ${name} pool gives out every buffer once, then none`, () => {
    const where = memory(3, 100);
    const pool = new Pool(where, BYTES);
    assert.equal(pool.count, 3);
    assert.deepEqual(
      [pool.take(), pool.take(), pool.take(), pool.take()],
      [where.offset, where.offset + BYTES, where.offset + 2 * BYTES, NONE],
    );
    assert.equal(pool.free, 0);
  });

  test(`a ${name} pool gives out first what came back last`, () => {
    const pool: Buffers = new Pool(memory(3), BYTES);
    const a = one(pool);
    const b = one(pool);
    const [first, second] = [Number(a), Number(b)];
    pool.give(a);
    pool.give(b);
    assert.deepEqual([pool.take(), pool.take()], [second, first]);
  });

  test(`a ${name} pool gets buffers back from the device`, () => {
    const pool: Buffers = new Pool(memory(1), BYTES);
    const buffer = one(pool);
    const posted = Number(buffer);
    pool.lend(buffer);
    assert.equal(pool.take(), NONE);
    const back = pool.regain(posted);
    pool.give(back);
    assert.equal(pool.free, 1);
  });

  test(`a ${name} pool refuses more buffers than it has`, () => {
    const pool: Buffers = new Pool(memory(2), BYTES);
    assert.throws(() => pool.give((memory(1).offset + BYTES) as CpuBuffer), Misuse);
  });

  test(`a ${name} pool refuses a buffer size that cannot be`, () => {
    for (const bytes of [0, -8, 12.5, 2047, NaN]) assert.throws(() => new Pool(memory(2), bytes), OutOfRange);
    assert.throws(() => new Pool(memory(2), 3 * BYTES), OutOfRange);
  });
}

test("a checked pool throws on a buffer given twice", () => {
  const pool: Buffers = new CheckedBufferPool(memory(2), BYTES);
  const buffer = one(pool);
  const again = Number(buffer) as CpuBuffer;
  pool.give(buffer);
  assert.throws(() => pool.give(again), /is free, not the CPU's/);
});

test("a checked pool throws on use after giving, and while the device has the buffer", () => {
  const pool = new CheckedBufferPool(memory(2), BYTES);
  const buffers: Buffers = pool;
  const lent = one(buffers);
  const stale = Number(lent) as CpuBuffer;
  pool.check(lent);
  buffers.lend(lent);
  assert.throws(() => pool.check(stale), /is the device's, not the CPU's/);
  assert.throws(() => buffers.lend(stale), Misuse);
  assert.throws(() => buffers.give(stale), Misuse);
  const back = buffers.regain(stale);
  pool.check(back);
  assert.throws(() => buffers.regain(stale), /is the CPU's, not the device's/);
});

test("a checked pool throws on an offset that is no buffer of its own", () => {
  const where = memory(2);
  const pool = new CheckedBufferPool(where, BYTES);
  for (const offset of [0, where.offset - BYTES, where.offset + 1, where.offset + 2 * BYTES, -1, NaN])
    assert.throws(() => pool.regain(offset), /no buffer of this pool/);
});

test("the checked pool allows exactly what a list of owners allows, and moves as the plain pool does", () => {
  const step = fc.tuple(fc.constantFrom("take", "give", "lend", "regain"), fc.nat(3));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const where = memory(4);
      const checked: Buffers = new CheckedBufferPool(where, BYTES);
      const plain: Buffers = new BufferPool(where, BYTES);
      const owners = ["free", "free", "free", "free"];
      for (const [verb, slot] of steps) {
        const offset = (where.offset + slot * BYTES) as CpuBuffer;
        if (verb === "take") {
          const taken = checked.take();
          assert.equal(plain.take(), taken);
          if (taken === NONE) assert.ok(!owners.includes("free"));
          else owners[(taken - where.offset) / BYTES] = "cpu";
          continue;
        }
        if (owners[slot] !== (verb === "regain" ? "device" : "cpu")) {
          assert.throws(() => (checked[verb] as (offset: number) => void).call(checked, offset), Misuse);
          continue;
        }
        for (const pool of [checked, plain]) (pool[verb] as (offset: number) => void).call(pool, offset);
        owners[slot] = verb === "give" ? "free" : verb === "lend" ? "device" : "cpu";
        assert.equal(checked.free, owners.filter((owner) => owner === "free").length);
      }
    }),
  );
});
