/** Recovery of a NIC that fails: the budget, the delays and what refills them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "#kit/clock.ts";
import { NicGivenUp, Recovery, RESTART_DELAYS_MICROS, STEADY_MICROS } from "./recovery.ts";

const restart = (clock: VirtualClock, recovery: Recovery): number => {
  const start = clock.now();
  while (!recovery.due) clock.delay(1000);
  recovery.begin();
  return clock.now() - start;
};

test("each restart waits longer than the one before, and after the last one the NIC is given up", () => {
  const clock = new VirtualClock();
  const recovery = new Recovery(clock);
  const waited = RESTART_DELAYS_MICROS.map(() => {
    recovery.fail("system error");
    return restart(clock, recovery);
  });
  assert.deepEqual(waited, RESTART_DELAYS_MICROS);
  assert.deepEqual(
    waited,
    waited.toSorted((a, b) => a - b),
  );
  assert.throws(() => recovery.fail("system error"), {
    code: "NIC_GIVEN_UP",
    message: "the NIC failed again after 5 restarts in 1.6 s: system error",
    hint: /dmesg/,
  });
  assert.equal(recovery.restarts, RESTART_DELAYS_MICROS.length);
});

test("a NIC that ran long enough has its whole budget again", () => {
  const clock = new VirtualClock();
  const recovery = new Recovery(clock);
  for (let i = 0; i < 10 * RESTART_DELAYS_MICROS.length; i++) {
    recovery.fail("system error");
    assert.equal(restart(clock, recovery), 0);
    clock.delay(STEADY_MICROS);
  }
  assert.equal(recovery.restarts, 10 * RESTART_DELAYS_MICROS.length);
});

test("failures a little closer than that use the budget up", () => {
  const clock = new VirtualClock();
  const recovery = new Recovery(clock);
  assert.throws(() => {
    for (;;) {
      recovery.fail("system error");
      restart(clock, recovery);
      clock.delay(STEADY_MICROS - 1);
    }
  }, NicGivenUp);
});

test("no restart is due before a failure, nor while one is under way", () => {
  const recovery = new Recovery(new VirtualClock());
  assert.equal(recovery.due, false);
  recovery.fail("system error");
  assert.equal(recovery.due, true);
  const { message, hint } = recovery.begin();
  assert.match(message, /^system error: restarting the NIC \(1 of at most 5 restarts\)$/);
  assert.match(hint, /given up/);
  assert.equal(recovery.due, false);
});
