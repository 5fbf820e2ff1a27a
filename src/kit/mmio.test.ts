import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange, OutOfWindow, Revoked } from "./errors.ts";
import { Mmio, type RegisterBus, ro32, ro8, rw16, rw32, rw8, w1c16, w1c32, wo8 } from "./mmio.ts";

/** A bus that records each access and returns reads from an array. */
class Recorder implements RegisterBus {
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly accesses: string[] = [];
  constructor(length: number) {
    this.length = length;
    this.bytes = new Uint8Array(length);
  }
  read(offset: number, width: 1 | 2 | 4): number {
    this.accesses.push(`r${8 * width} ${offset.toString(16)}`);
    let value = 0;
    for (let i = width; i-- > 0;) value = value * 256 + this.bytes[offset + i]!;
    return value;
  }
  write(offset: number, width: 1 | 2 | 4, value: number): void {
    this.accesses.push(`w${8 * width} ${offset.toString(16)} ${value.toString(16)}`);
    for (let i = 0; i < width; i++) this.bytes[offset + i] = Math.floor(value / 256 ** i) % 256;
  }
}

test("every access reaches the bus once, with the register's own width and an unsigned value", () => {
  const bus = new Recorder(16);
  const io = new Mmio(bus);
  io.write8(rw8(0), 0x81);
  io.write16(rw16(2), 0x8001);
  io.write32(rw32(4), 0x8000_0001 | 0);
  io.write8(wo8(15), -1);
  assert.deepEqual([io.read8(rw8(0)), io.read16(rw16(2)), io.read32(rw32(4))], [0x81, 0x8001, 0x8000_0001]);
  assert.deepEqual(bus.accesses, ["w8 0 81", "w16 2 8001", "w32 4 80000001", "w8 f ff", "r8 0", "r16 2", "r32 4"]);
});

test("an update reads once, clears, sets, and writes once", () => {
  const bus = new Recorder(16);
  const io = new Mmio(bus);
  bus.bytes.fill(0xf0);
  io.update8(rw8(1), 0x30, 0x01);
  io.update16(rw16(2), 0xf000, 0x000f);
  io.update32(rw32(4), 0x8000_0000, 0x0000_000f);
  assert.deepEqual(bus.accesses, ["r8 1", "w8 1 c1", "r16 2", "w16 2 ff", "r32 4", "w32 4 70f0f0ff"]);
});

test("acknowledging events writes their bits once, and does not read the register", () => {
  const bus = new Recorder(16);
  const io = new Mmio(bus);
  io.acknowledge16(w1c16(2), 0x1_8001);
  io.acknowledge32(w1c32(4), -1);
  assert.deepEqual(bus.accesses, ["w16 2 8001", "w32 4 ffffffff"]);
});

test("an access that is not completely inside the window throws and does not reach the bus", () => {
  const bus = new Recorder(7);
  const io = new Mmio(bus);
  io.read8(ro8(6));
  assert.throws(() => io.read8(ro8(7)), OutOfWindow);
  assert.throws(() => io.read16(rw16(8)), OutOfWindow);
  assert.throws(() => io.write32(rw32(4), 1), { offset: 4, width: 4, length: 7, code: "OUT_OF_WINDOW" });
  assert.throws(() => io.update8(rw8(256), 0, 0), OutOfWindow);
  assert.throws(() => io.acknowledge16(w1c16(0x3e), 1), OutOfWindow);
  assert.deepEqual(bus.accesses, ["r8 6"]);
});

test("an access to a revoked window throws an error with the window's name and does not reach the bus", () => {
  const bus = new Recorder(16);
  const io = new Mmio(bus);
  io.revoke("registers of 0000:03:00.0");
  assert.throws(() => io.read32(ro32(0)), new Revoked("registers of 0000:03:00.0"));
  assert.throws(() => io.write8(wo8(0), 1), Revoked);
  assert.throws(() => io.update16(rw16(0), 0, 1), Revoked);
  assert.deepEqual(bus.accesses, []);
});

test("a register cannot be defined at an offset that its width does not allow", () => {
  assert.throws(() => rw16(0x3d), OutOfRange);
  assert.throws(() => rw32(0x42), OutOfRange);
  for (const offset of [-1, 0.5, NaN, Infinity]) assert.throws(() => ro8(offset), OutOfRange);
});
