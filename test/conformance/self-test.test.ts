/** Tests the self-test: it must pass on a chip without faults, report faults, and restore the NIC. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TxConf, TxConfig } from "#chip/registers.ts";
import type { Operation } from "#driver/operation.ts";
import type { SelfTestName, SelfTestReport } from "#driver/self-test.ts";
import type { FaultName } from "#model/faults.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { CHIPS_UNDER_TEST, GENERATIONS } from "../rigs/generations.ts";

const linked = (chip = "rtl8168h"): DirectRig => {
  const rig = openDirectRig({ chip, strict: "warn" });
  rig.up();
  rig.poll();
  return rig;
};

/**
 * Runs an operation to its end. Returns its result, the longest time in microseconds that the driver waited within a
 * step, and the number of steps.
 */
const carryOut = <T>(rig: DirectRig, operation: Operation<T>): { result: T; longest: number; steps: number } => {
  let longest = 0;
  for (let steps = 1; ; steps++) {
    const before = rig.clock.now();
    const step = operation.next();
    longest = Math.max(longest, rig.clock.now() - before);
    if (step.done === true) return { result: step.value, longest, steps };
    rig.pass(step.value);
  }
};
const run = (rig: DirectRig, offline: boolean): SelfTestReport => carryOut(rig, rig.nic.selfTest(offline)).result;
const failed = ({ tests }: SelfTestReport): readonly SelfTestName[] =>
  tests.flatMap(({ name, passed }) => (passed ? [] : [name]));

const assertWorks = (rig: DirectRig): void => {
  for (let turns = 0; !rig.nic.link.up && turns < 100; turns++) {
    rig.pass(1000);
    rig.poll();
  }
  rig.sent.length = 0;
  rig.send(udp(ends(), payload(100)));
  rig.deliver(udp(ends({ inbound: true }), payload(100)));
  assert.deepEqual([rig.sent.length, rig.poll().length], [1, 1]);
};

const ONLINE: readonly SelfTestName[] = ["link", "registers", "DMA"];
const OFFLINE: readonly SelfTestName[] = [...ONLINE, "MAC loopback", "interrupt", "PHY loopback"];

for (const { key, speed } of CHIPS_UNDER_TEST)
  describe(key, () => {
    test("offline, a NIC passes every test in steps of at most 5 ms, sends nothing, and gets its link back", () => {
      using rig = linked(key);
      rig.sent.length = 0;
      const before = { memory: rig.dma.live, filter: rig.registers.read32(TxConfig) & TxConf.loopback };
      const { result, longest, steps } = carryOut(rig, rig.nic.selfTest(true));
      assert.deepEqual(failed(result), []);
      assert.deepEqual(
        result.tests.map(({ name }) => name),
        OFFLINE,
      );
      assert.equal(result.passed, true);
      assert.ok(longest <= 5000, `the longest step took ${longest} µs`);
      assert.ok(steps > 5);
      assert.deepEqual(rig.sent, []);
      assert.deepEqual({ memory: rig.dma.live, filter: rig.registers.read32(TxConfig) & TxConf.loopback }, before);
      assertWorks(rig);
      assert.equal(rig.nic.link.speed, speed);
      assert.deepEqual(
        Object.entries(rig.model.offences).filter(([, n]) => n > 0),
        [],
      );
    });
  });

for (const chip of GENERATIONS)
  describe(chip, () => {
    test("the online self-test loses no frame and keeps the link", () => {
      using rig = linked(chip);
      const operation = rig.nic.selfTest(false);
      for (;;) {
        const step = operation.next();
        if (step.done === true) {
          assert.deepEqual([step.value.passed, step.value.tests.map(({ name }) => name)], [true, ONLINE]);
          break;
        }
        rig.pass(step.value);
        assert.equal(rig.nic.link.up, true);
        assertWorks(rig);
      }
    });

    test("an aborted self-test leaves no loopback, and restarts autonegotiation", () => {
      for (const steps of [4, 6, 12, 14]) {
        using rig = linked(chip);
        const operation = rig.nic.selfTest(true);
        for (let i = 0; i < steps; i++) {
          const step = operation.next();
          if (step.done !== true) rig.pass(step.value);
        }
        operation.return({ passed: false, tests: [] });
        rig.poll();
        assert.equal(rig.registers.read32(TxConfig) & TxConf.loopback, 0);
        assertWorks(rig);
      }
    });
  });

/** Faults of the model, each with the self-tests that it makes fail. */
const UNDER: readonly (readonly [fault: FaultName, failing: readonly SelfTestName[]])[] = [
  ["stuck-counters", ["DMA"]],
  // A bus error raises an interrupt too, so the interrupt test passes.
  ["dma-error", ["DMA", "MAC loopback", "PHY loopback"]],
  ["stuck-transmitter", ["MAC loopback", "interrupt", "PHY loopback"]],
  ["lost-interrupt", ["interrupt"]],
];
for (const [fault, failing] of UNDER)
  test(`a NIC with ${fault} fails: ${failing.join(", ")}`, () => {
    using rig = linked();
    rig.model.faults.arm(fault);
    const report = run(rig, true);
    assert.equal(report.passed, false);
    assert.deepEqual(failed(report), failing);
    for (const { passed, detail } of report.tests) assert.equal(detail === "", passed);
    rig.model.faults.disarm(fault);
    rig.nic.down();
    rig.up();
    assert.equal(run(rig, true).passed, true);
  });

test("frames of the loopback tests are from and to the NIC itself, of the type of the configuration testing protocol", () => {
  using rig = linked();
  run(rig, true);
  const bytes = Buffer.from(rig.dma.window.bytes.buffer);
  const header = Buffer.from([...rig.nic.address, ...rig.nic.address, 0x90, 0x00]);
  assert.ok(bytes.includes(header.subarray(0, 12)));
  for (let at = -1; (at = bytes.indexOf(header.subarray(0, 12), at + 1)) >= 0;)
    assert.deepEqual(bytes.subarray(at, at + 14), header);
});

test("without a cable the link test fails, and the loopback tests still pass", () => {
  using rig = openDirectRig({ carrier: false });
  rig.nic.up();
  assert.deepEqual(failed(run(rig, true)), ["link"]);
});

test("the self-test is rejected while the NIC is down, and the offline test while the NIC has frames to send", () => {
  using rig = openDirectRig();
  assert.throws(() => rig.nic.selfTest(false).next(), { code: "OUT_OF_RANGE", message: /down/ });
  rig.up();
  rig.model.faults.arm("lost-doorbell", { count: 1 });
  rig.send(udp(ends(), payload(100)));
  assert.throws(() => rig.nic.selfTest(true).next(), { code: "OUT_OF_RANGE", hint: /all frames are sent/ });
  rig.nic.rings.transmit.ring();
  assert.equal(run(rig, true).passed, true);
});

test("the removal of the card during the self-test causes an error", () => {
  using rig = linked();
  const operation = rig.nic.selfTest(true);
  operation.next();
  rig.model.faults.arm("removal");
  assert.throws(() => {
    for (let step = operation.next(); step.done !== true; step = operation.next()) rig.pass(step.value);
  });
});

test("an RTL8127ATF has no PHY loopback to test", () => {
  using rig = openDirectRig({ chip: "rtl8127a", medium: "fibre" });
  rig.up();
  const report = run(rig, true);
  assert.deepEqual([report.passed, report.tests.map(({ name }) => name)], [true, OFFLINE.slice(0, -1)]);
});
