/** The restart budget of a NIC that fails: the number of restarts, their delays, and when the budget is full again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "#kit/clock.ts";
import { NicGivenUp, RESTART_DELAYS_MICROS, RestartBudget, STEADY_MICROS } from "./restart-budget.ts";

const restart = (clock: VirtualClock, budget: RestartBudget): number => {
  const start = clock.now();
  while (!budget.due) clock.delay(1000);
  budget.begin();
  return clock.now() - start;
};

test("the delay grows with each restart, and after the last one the NIC is given up", () => {
  const clock = new VirtualClock();
  const budget = new RestartBudget(clock);
  const waited = RESTART_DELAYS_MICROS.map(() => {
    budget.fail("system error");
    return restart(clock, budget);
  });
  assert.deepEqual(waited, RESTART_DELAYS_MICROS);
  assert.deepEqual(
    waited,
    waited.toSorted((a, b) => a - b),
  );
  assert.throws(() => budget.fail("system error"), {
    code: "NIC_GIVEN_UP",
    message: "the NIC failed again after 5 restarts in 1.6 s: system error",
    hint: /dmesg/,
  });
  assert.equal(budget.restarts, RESTART_DELAYS_MICROS.length);
});

test("a NIC that runs long enough gets its full restart budget back", () => {
  const clock = new VirtualClock();
  const budget = new RestartBudget(clock);
  for (let i = 0; i < 10 * RESTART_DELAYS_MICROS.length; i++) {
    budget.fail("system error");
    assert.equal(restart(clock, budget), 0);
    clock.delay(STEADY_MICROS);
  }
  assert.equal(budget.restarts, 10 * RESTART_DELAYS_MICROS.length);
});

test("a NIC that always fails just before its budget is full again is given up", () => {
  const clock = new VirtualClock();
  const budget = new RestartBudget(clock);
  assert.throws(() => {
    for (;;) {
      budget.fail("system error");
      restart(clock, budget);
      clock.delay(STEADY_MICROS - 1);
    }
  }, NicGivenUp);
});

test("no restart is due before a failure, or during a restart", () => {
  const budget = new RestartBudget(new VirtualClock());
  assert.equal(budget.due, false);
  budget.fail("system error");
  assert.equal(budget.due, true);
  budget.begin();
  assert.equal(budget.due, false);
});
