/** The cable test on the direct rig. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import type { PairReport } from "#driver/cable-test.ts";
import { SideBus } from "#driver/side-bus.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { CableFault } from "#model/phy/cable.ts";
import { partnerOf } from "#model/phy/link-partner.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { CHIPS_UNDER_TEST } from "../rigs/generations.ts";

/** Runs the cable test as a data plane does, with time passing between its steps. */
const testCable = (rig: DirectRig): readonly PairReport[] => {
  const steps = rig.nic.phy.testCable();
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value;
    rig.pass(step.value);
  }
};
const ok = (pair: PairReport["pair"]): PairReport => ({ pair, state: "ok" });
const open = (pair: PairReport["pair"]): PairReport => ({ pair, state: "open", metres: 0 });

/** In addition to the first chip of each die, the chip on which Realtek's driver tests cables. */
const SUBJECTS = new Set([...CHIPS_UNDER_TEST, CHIPS.find(({ key }) => key === "rtl8168h")!]);

for (const chip of [...SUBJECTS].filter(({ profile }) => profile.cableTest !== undefined)) {
  const pairs = chip.speed < 1000 ? (["A", "B"] as const) : (["A", "B", "C", "D"] as const);

  test(`${chip.key}: the cable test finds the fault of each pair and its distance`, () => {
    const faults: readonly CableFault[] = [
      { pair: 0, state: "open", metres: 12.5 },
      { pair: 1, state: "short", metres: 99 },
      { pair: 2, state: "mismatch", metres: 1 },
    ];
    using rig = openDirectRig({ chip: chip.key, carrier: false });
    rig.nic.up();
    assert.deepEqual(testCable(rig), pairs.map(open), "an unplugged cable must be open at the socket");
    rig.model.setCable(faults);
    const expected: readonly PairReport[] = [
      { pair: "A", state: "open", metres: 12.5 },
      { pair: "B", state: "short", metres: 99 },
      { pair: "C", state: "mismatch", metres: 1 },
      open("D"),
    ];
    for (let i = 0; i < 3; i++) assert.deepEqual(testCable(rig), expected.slice(0, pairs.length));
    rig.model.setCable([]);
    rig.model.setCarrier(true, partnerOf({ speeds: [100] }));
    rig.up();
    assert.equal(rig.nic.link.speed, 100);
    assert.deepEqual(testCable(rig), pairs.map(ok));
  });

  if (chip.speed >= 1000)
    test(`${chip.key}: a link that uses four pairs is not interrupted by a cable test`, () => {
      using rig = openDirectRig({ chip: chip.key });
      rig.up();
      assert.ok(rig.nic.link.speed >= 1000);
      assert.deepEqual(testCable(rig), pairs.map(ok));
      assert.ok(rig.nic.refreshLink().up);
      assert.equal(rig.nic.phy.statistics().linkLosses, 0);
    });
}

test("the words that a cable test needs are in the memory of the PHY's controller, each at its address", () => {
  for (const key of ["rtl8168h", "rtl8125b"]) {
    using rig = openDirectRig({ chip: key, carrier: false });
    rig.nic.up();
    testCable(rig);
    const bus = new SideBus(rig.registers, rig.clock);
    const { setUp } = rig.nic.chip.profile.cableTest!;
    for (const [address, word] of setUp) {
      bus.phyWrite(0xa436, address);
      assert.equal(bus.phyRead(0xa438), word, `${key} ${address.toString(16)}`);
    }
  }
});

test("a board's order of the pairs and their swapped wires are set before the test", () => {
  for (const [key, word] of [
    ["rtl8125a", 0x8284],
    ["rtl8125b", 0x81aa],
  ] as const)
    for (const [wires, order, expected] of [
      [0x3fff, 0, 0x5355],
      [0x3fff, 1 << 5, 0x5c55],
      [0x8000, 1 << 5, 0x5155],
      [0xa000, 1 << 5, 0x5555],
      [0xa000, 0, 0x5a55],
    ] as const) {
      using rig = openDirectRig({ chip: key, carrier: false });
      rig.nic.up();
      const bus = new SideBus(rig.registers, rig.clock);
      bus.macWrite(0xd440, wires);
      bus.macWrite(0xd442, order);
      bus.phyWrite(0xa436, word);
      bus.phyWrite(0xa438, 0x5555);
      testCable(rig);
      bus.phyWrite(0xa436, word);
      assert.equal(bus.phyRead(0xa438), expected, `${key} ${wires.toString(16)} ${order}`);
    }
});

test("a cable test that does not end has no result, and the chip is usable afterwards", () => {
  for (const key of ["rtl8168h", "rtl8125b"]) {
    using rig = openDirectRig({ chip: key, carrier: false });
    rig.nic.up();
    const steps = rig.nic.phy.testCable();
    // The cable test does not end, because no time passes for the model.
    let micros = 0;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) micros += step.value;
    assert.ok(micros <= 5_000_000);
    assert.ok(step.value.every(({ state }) => state === "unknown"));
    rig.model.setCarrier(true);
    rig.up();
    assert.ok(rig.nic.link.up);
  }
});

test("a cable test is refused by chips without one, and while the NIC is down", () => {
  for (const chip of CHIPS.filter(({ profile }) => profile.cableTest === undefined)) {
    using rig = openDirectRig({ chip: chip.key, carrier: false });
    rig.nic.up();
    assert.throws(() => rig.nic.phy.testCable().next(), OutOfRange, chip.key);
  }
  using rig = openDirectRig({ chip: "rtl8168h" });
  assert.throws(() => rig.nic.phy.testCable().next(), OutOfRange);
});
