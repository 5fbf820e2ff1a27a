import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { expect, RealClock, Timers, until, VirtualClock } from "./clock.ts";
import { Misuse, OutOfRange, Timeout } from "./errors.ts";

test("`until` returns true at the first check after the condition has become true", () => {
  const clock = new VirtualClock();
  let ready = false;
  clock.timers.schedule(250, () => (ready = true));
  assert.ok(until(clock, 1000, 100, () => ready));
  assert.equal(clock.now(), 300);
});

test("`until` returns false when its time limit has passed", () => {
  const clock = new VirtualClock();
  let checks = 0;
  assert.equal(
    until(clock, 1000, 100, () => ++checks < 0),
    false,
  );
  assert.equal(clock.now(), 1000);
  assert.equal(checks, 12);
});

test("a condition that becomes true during the last step is not missed", () => {
  const clock = new VirtualClock();
  assert.ok(until(clock, 1000, 300, () => clock.now() >= 1000));
  assert.ok(until(new VirtualClock(), 0, 1, () => true));
});

test("a wait by `expect` that fails throws an error with its purpose and time limit", () => {
  assert.throws(() => expect(new VirtualClock(), "reset", 500, 50, () => false), {
    code: "TIMEOUT",
    message: "reset: timed out after 500 µs",
    waitedMicros: 500,
  });
  assert.throws(() => expect(new VirtualClock(), "reset", 500, 50, () => false), Timeout);
  expect(new VirtualClock(), "reset", 0, 50, () => true);
});

test("a wait without a limit, or in steps of 0, is rejected", () => {
  for (const [limit, step] of [
    [Infinity, 1],
    [NaN, 1],
    [-1, 1],
    [10, 0],
    [10, -1],
    [10, NaN],
  ] as const)
    assert.throws(() => until(new VirtualClock(), limit, step, () => false), OutOfRange);
});

test("timers run in order of time, and timers of the same time in order of scheduling", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 30 }), (times) => {
      const timers = new Timers();
      const ran: [number, number][] = [];
      for (const [i, at] of times.entries()) timers.schedule(at, () => ran.push([at, i]));
      timers.run(10);
      assert.equal(timers.next > 10, true);
      timers.run(20);
      assert.equal(timers.next, Infinity);
      assert.deepEqual(
        ran,
        times.map((at, i): [number, number] => [at, i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]),
      );
    }),
  );
});

test("a cancelled timer does not run, and cancelling late or twice does nothing", () => {
  const timers = new Timers();
  const ran: string[] = [];
  const cancelA = timers.schedule(1, () => ran.push("a"));
  const cancelB = timers.schedule(1, () => ran.push("b"));
  cancelA();
  cancelA();
  timers.run(1);
  cancelB();
  assert.deepEqual(ran, ["b"]);
});

test("entries that a timer schedules for now or earlier run in the same call; a timer that reschedules itself endlessly is detected", () => {
  const timers = new Timers();
  const ran: number[] = [];
  timers.schedule(5, () => timers.schedule(3, () => ran.push(3)));
  timers.run(5);
  assert.deepEqual(ran, [3]);
  const again = (): void => {
    timers.schedule(5, again);
  };
  again();
  assert.throws(() => timers.run(5), Misuse);
});

test("virtual time jumps from timer to timer, and each timer runs at its own time", () => {
  const clock = new VirtualClock();
  const seen: number[] = [];
  for (const at of [30, 10, 20, 99]) clock.timers.schedule(at, () => seen.push(clock.now()));
  clock.delay(50);
  assert.deepEqual(seen, [10, 20, 30]);
  assert.equal(clock.now(), 50);
});

test("virtual time never goes back, even if a timer's function waits or the timer was due long ago", () => {
  const clock = new VirtualClock();
  clock.timers.schedule(10, () => clock.delay(100));
  clock.delay(20);
  assert.equal(clock.now(), 110);
  let at = -1;
  clock.timers.schedule(5, () => (at = clock.now()));
  clock.delay(0);
  assert.equal(at, 110);
  for (const micros of [-1, NaN, Infinity]) assert.throws(() => clock.delay(micros), OutOfRange);
});

test("a timer for the time NaN is rejected", () => {
  assert.throws(() => new Timers().schedule(NaN, () => {}), OutOfRange);
});

test("a delay of the real clock lasts at least as long as requested", () => {
  const clock = new RealClock();
  for (const micros of [0, 50, 500]) {
    const start = clock.now();
    clock.delay(micros);
    assert.ok(clock.now() - start >= micros);
  }
});
