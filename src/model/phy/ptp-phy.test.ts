/**
 * The PTP clock in the PHY, accessed as by Realtek's driver: addresses and values are copied from the driver's source.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chipNamed } from "#chip/chips.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { VirtualClock } from "#kit/clock.ts";
import { scheduleOn } from "../registers/schedule.ts";
import { OcpPhy } from "./phy-ocp.ts";
import { Phy } from "./phy.ts";

const make = () => {
  const clock = new VirtualClock();
  const schedule = scheduleOn(clock, clock.timers);
  const chip = chipNamed("rtl8125d-688")!;
  const phy = new Phy(phyKind(chip), schedule, { negotiateMicros: 0, resetMicros: 0 }, () => {});
  const space = new OcpPhy(phy, { ptp: "phy", schedule });
  const words = (at: number): number[] => [0, 2, 4, 6, 8].map((offset) => space.read(at + offset));
  /** Seconds and nanoseconds from the words at an address. */
  const time = (at: number): readonly [number, number] => {
    const [low = 0, high = 0, first = 0, second = 0, third = 0] = words(at);
    return [third * 2 ** 32 + second * 2 ** 16 + first, (high & 0x3fff) * 2 ** 16 + low];
  };
  const put = (seconds: number, nanos: number): void => {
    space.write(0xe412, nanos & 0xffff);
    space.write(0xe414, nanos >>> 16);
    space.write(0xe416, seconds % 2 ** 16);
    space.write(0xe418, Math.floor(seconds / 2 ** 16) % 2 ** 16);
    space.write(0xe41a, Math.floor(seconds / 2 ** 32));
  };
  /** Bits 3:1 are the mode; bit 0 starts the command. */
  const run = (mode: number): void => {
    space.write(0xe410, (space.read(0xe410) & ~0xe) | 1 | mode);
    assert.equal(space.read(0xe410) & 1, 0, "the PHY clears the bit");
  };
  const now = (): readonly [number, number] => {
    run(4);
    return time(0xe412);
  };
  return { clock, space, put, run, now, time };
};

test("the time is written, read, stepped in both directions, and runs on", () => {
  const { clock, put, run, now } = make();
  assert.deepEqual(now(), [0, 0]);
  put(0x1234_5678_9abc, 999_999_999);
  run(6);
  assert.deepEqual(now(), [0x1234_5678_9abc, 999_999_999]);
  clock.delay(1.5);
  assert.deepEqual(now(), [0x1234_5678_9abd, 1499]);
  put(2, 1500);
  run(8);
  assert.deepEqual(now(), [0x1234_5678_9abf, 2999]);
  put(0x1234_5678_9abf, 3000);
  run(10);
  assert.deepEqual(now(), [2 ** 48 - 1, 999_999_999], "one nanosecond before 0 wraps");
});

test("the rate is a signed fraction of 2^32 in 22 bits", () => {
  for (const units of [0, 0x1f_ffff, -0x20_0000, 4295, -4295]) {
    const { clock, space, put, run, now } = make();
    space.write(0xe412, units & 0xffff);
    space.write(0xe414, (units & 0x3f_0000) >>> 16);
    run(14);
    put(1000, 0);
    run(6);
    clock.delay(1e9);
    const [seconds, nanos] = now();
    const expected = 2000e9 + (1000e9 * units) / 2 ** 32;
    assert.ok(Math.abs(seconds * 1e9 + nanos - expected) <= 1000, `${units}: ${seconds} s ${nanos} ns`);
  }
});

test("each type of message has a timestamp for each direction, shown on command, and a bit while it is unread", () => {
  const { clock, space, put, run, time } = make();
  space.write(0xe402, 0x000c);
  space.write(0xe408, 0x0001);
  space.write(0xe404, 0xffff);
  assert.equal(space.ptp!.active, false);
  space.write(0xe400, 0x10ff);
  assert.equal(space.ptp!.active, true);
  put(7, 0);
  run(6);
  for (let message = 0; message < 4; message++) {
    clock.delay(1);
    space.ptp!.sent(message);
    clock.delay(1);
    space.ptp!.received(message);
  }
  assert.equal(space.read(0xe404), 0x000c);
  assert.equal(space.read(0xe430) & 0xff00, 0xff00);
  for (let message = 0; message < 4; message++) {
    space.write(0xe430, (space.read(0xe430) & ~0xe) | 1 | 0x10 | (message << 2));
    assert.equal(space.read(0xe430) & 1, 0);
    assert.deepEqual(time(0xe446), [7, 2000 * message + 1000], `sent ${message}`);
    assert.equal(space.read(0xe430) & (0x8000 >> message), 0);
    space.write(0xe430, (space.read(0xe430) & ~0xe) | 1 | 2 | 0x10 | (message << 2));
    assert.deepEqual(time(0xe446), [7, 2000 * message + 2000], `received ${message}`);
  }
  assert.equal(space.read(0xe430) & 0xff00, 0);
  space.write(0xe404, 0x0008);
  assert.equal(space.read(0xe404), 0x0004, "written ones clear an event");
  space.write(0xe400, 0x10fe);
  assert.equal(space.ptp!.active, false);
});

test("whatever is written to the clock's registers, a valid time can be read afterwards", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 0x28 }), fc.integer({ min: 0, max: 0xffff }))),
      (writes) => {
        const { clock, space, now } = make();
        for (const [at, value] of writes) {
          space.write(0xe400 + 2 * at, value);
          clock.delay(3);
        }
        const [seconds, nanos] = now();
        assert.ok(seconds >= 0 && seconds < 2 ** 48 && nanos < 1e9, `${seconds} s, ${nanos} ns`);
      },
    ),
    { numRuns: 200, seed: 8125 },
  );
});
