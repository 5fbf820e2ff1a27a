/**
 * Access to PHY registers by MDIO, against a simulated chip: the gap between accesses, the time limit, the page and the
 * gate.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { phyBusOf } from "./phy-bus.ts";

const PHYAR = 0x60;
const GATE = 0xd0;
const FLAG = 0x8000_0000;

const rig = (key: string, answers = true) => {
  const clock = new VirtualClock();
  const writes: string[] = [];
  const starts: number[] = [];
  let phyar = 0;
  let gate = 1 << 17;
  const io = new Mmio({
    length: 256,
    read: (offset) => (offset === PHYAR ? phyar : gate),
    write(offset, _width, value) {
      writes.push(`${offset.toString(16)}=${(value >>> 0).toString(16)}`);
      if (offset === GATE) gate = value;
      if (offset !== PHYAR) return;
      starts.push(clock.now());
      const write = value >>> 0 >= FLAG;
      phyar = answers === write ? value & 0x7fff_ffff : (FLAG | value | 0x1234) >>> 0;
    },
  });
  return { bus: phyBusOf({ io, clock, chip: chipNamed(key)! }), clock, writes, starts };
};

test("the page is selected before the first access, when it changes, and again after a reset", () => {
  const { bus, writes } = rig("rtl8168d-281");
  assert.equal(bus.read(2), 0x1234);
  bus.read(3);
  bus.write(4, 0x1_5678, 5);
  bus.write(0, 0x8000);
  bus.read(1);
  assert.deepEqual(writes, [
    "60=801f0000",
    "60=20000",
    "60=30000",
    "60=801f0005",
    "60=80045678",
    "60=801f0000",
    "60=80008000",
    "60=801f0000",
    "60=10000",
  ]);
});

test("two accesses by MDIO are at least 20 µs apart", () => {
  const { bus, clock, starts } = rig("rtl8168d-281");
  bus.write(4, 0);
  bus.read(4);
  assert.deepEqual(starts, [0, 20, 40]);
  assert.equal(clock.now(), 60);
});

test("an access that never completes is abandoned after 2 ms", () => {
  const { bus, clock } = rig("rtl8168d-281", false);
  assert.throws(() => bus.read(2), { code: "SIDE_BUS_TIMEOUT" });
  assert.ok(clock.now() >= 2000 && clock.now() <= 2025);
});

test("a register beyond 31 is rejected before anything is written to it", () => {
  const { bus, writes } = rig("rtl8168d-281");
  for (const register of [-1, 32, 1.5]) assert.throws(() => bus.read(register), { code: "OUT_OF_RANGE" });
  assert.deepEqual(writes, ["60=801f0000"]);
});

test("an RTL8168DP's gate is opened for each access and closed afterwards, even if the access times out", () => {
  const { bus, writes } = rig("rtl8168dp-28a");
  bus.read(2);
  assert.deepEqual(writes, ["d0=0", "60=801f0000", "d0=20000", "d0=0", "60=20000", "d0=20000"]);
  const silent = rig("rtl8168dp-28a", false);
  assert.throws(() => silent.bus.read(2));
  assert.equal(silent.writes.at(-1), "d0=20000");
});
