/** A NIC without a link sleeps. Once it has a link again, it works as before. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bench, MAC, skip, WAIT_MICROS } from "./driver-side.test-kit.ts";
import { LINK_CHECK_MICROS } from "./idle-sleep.ts";

/** A chip for conventional PCI, chips that lose all registers in D3hot, and chips that keep them. */
const CHIPS = ["rtl8169sc-180", "rtl8168b", "rtl8168d-281", "rtl8168h", "rtl8125b", "rtl8127a"];
const WITHOUT_LINK_MICROS = 5_000_000;
const second = 1_000_000;
const D3HOT = 3;

/** Returns a NIC that has lost its link, and has gone to sleep after the set time. */
const resting = (chip = "rtl8168h"): Bench => {
  const bench = new Bench(undefined, undefined, undefined, WAIT_MICROS, {
    chip,
    queues: 1,
    withoutLinkMicros: WITHOUT_LINK_MICROS,
  });
  bench.run(100_000);
  assert.equal(bench.statistics.linkUp, 1);
  bench.model.setCarrier(false);
  bench.run(WITHOUT_LINK_MICROS - 100_000);
  assert.equal(bench.model.powerState, 0, "the NIC sleeps too early");
  bench.run(200_000);
  assert.equal(bench.model.powerState, D3HOT);
  return bench;
};
const states = ({ reports }: Bench): readonly string[] =>
  reports.flatMap((each) => (each.report === "event" && each.event.kind === "power" ? [each.event.state] : []));
/** Asserts that an arriving frame is received. */
const assertReceives = (bench: Bench): void => {
  const before = bench.statistics.receivedFrames;
  const frame = new Uint8Array(64);
  frame.set(MAC);
  assert.ok(bench.model.receive(frame, 0, frame.length));
  bench.run(1000);
  assert.equal(bench.statistics.receivedFrames, before + 1);
};

for (const chip of CHIPS)
  test(
    `${chip}: the NIC sleeps after some seconds without a link, and carries frames once it has a link again`,
    { skip },
    () => {
      using bench = resting(chip);
      bench.run(3 * second);
      assert.equal(bench.model.powerState, D3HOT);
      bench.model.setCarrier(true);
      bench.run(LINK_CHECK_MICROS + 200_000);
      assert.deepEqual([bench.model.powerState, bench.statistics.linkUp], [0, 1]);
      assert.deepEqual(states(bench), ["idle", "resumed"]);
      assertReceives(bench);
      assert.deepEqual(bench.warnings, []);
      assert.deepEqual(
        Object.entries(bench.model.offences).filter(([, times]) => times > 0),
        [],
      );
    },
  );

test("a NIC without a link stays awake if no time is set after which it sleeps", { skip }, () => {
  using bench = new Bench();
  bench.run(100_000);
  bench.model.setCarrier(false);
  bench.run(20 * second);
  assert.equal(bench.model.powerState, 0);
});

test("an operation on a sleeping NIC wakes it; without a link it sleeps again", { skip }, () => {
  using bench = resting();
  const answer = bench.operate("queues", {}, 1000);
  assert.equal(answer?.error, undefined);
  assert.equal(bench.model.powerState, 0);
  bench.run(WITHOUT_LINK_MICROS + 200_000);
  assert.equal(bench.model.powerState, D3HOT);
  assert.deepEqual(states(bench), ["idle", "resumed", "idle"]);
});

test("an MTU that is set while the NIC sleeps is in force once the NIC is awake", { skip }, () => {
  using bench = resting();
  bench.follow(1400);
  bench.run(second);
  assert.equal(bench.model.powerState, D3HOT);
  bench.model.setCarrier(true);
  bench.run(LINK_CHECK_MICROS + 200_000);
  assert.equal(bench.statistics.mtu, 1400);
  assertReceives(bench);
});

test(
  "a NIC that sleeps without a link can be suspended with the machine, and then sleeps until it is resumed",
  { skip },
  () => {
    using bench = resting();
    assert.deepEqual(bench.operate("suspend", {}, 1000)?.value, { asleep: true, armed: "d" });
    bench.model.setCarrier(true);
    bench.run(5 * second);
    assert.equal(bench.model.powerState, D3HOT, "the NIC sleeps until it is resumed");
    bench.operate("resume", {}, 200_000);
    assert.equal(bench.statistics.linkUp, 1);
  },
);

test("a card that is removed while the NIC sleeps is awaited, and works when it is back", { skip }, () => {
  using bench = resting();
  bench.model.faults.arm("removal");
  bench.run(LINK_CHECK_MICROS + 200_000);
  assert.equal(bench.occurrences("absences").length, 1);
  bench.model.faults.disarm("removal");
  bench.model.setCarrier(true);
  bench.run(second);
  assert.equal(bench.statistics.linkUp, 1);
  assertReceives(bench);
});
