import assert from "node:assert/strict";
import { test } from "node:test";
import { EventFd } from "./eventfd.ts";
import { Poller } from "./poll.ts";
import { BusyPoll } from "./busy-poll.ts";

/** A poller that becomes ready after some microseconds, on a clock that advances only while the poller waits. */
const device = () => {
  const state = { now: 0, dueAt: 0, polls: 0, sleeps: 0 };
  const clock = { now: () => state.now };
  const poller = {
    wait: (limitMillis: number): number => {
      if (limitMillis === 0) {
        state.polls++;
        state.now += 1;
      } else {
        state.sleeps++;
        state.now = Math.max(state.now, Math.min(state.dueAt, state.now + limitMillis * 1000));
      }
      return state.now >= state.dueAt ? 1 : 0;
    },
  };
  const busyPoll = new BusyPoll(poller, clock);
  return {
    busyPoll,
    /** Waits for an event that occurs after `micros`; returns the result, and how the time passed. */
    wait: (micros: number, limitMillis = 250) => {
      state.dueAt = state.now + micros;
      state.polls = state.sleeps = 0;
      const ready = busyPoll.wait(limitMillis);
      return { ready, slept: state.sleeps > 0, polls: state.polls };
    },
  };
};

test("the first wait sleeps; after a short wait, the next wait polls first", () => {
  const { wait, busyPoll } = device();
  assert.deepEqual(wait(50), { ready: 1, slept: true, polls: 0 });
  assert.equal(busyPoll.micros, 200);
  assert.deepEqual(wait(50), { ready: 1, slept: false, polls: 50 });
});

test("a wait polls for at most 200 µs, for a shorter time after each unsuccessful wait, and soon not at all", () => {
  const { wait } = device();
  wait(1);
  const polls = Array.from({ length: 6 }, () => wait(10_000).polls);
  assert.deepEqual(polls, [200, 100, 50, 25, 12, 0]);
});

test("after another short wait, the next wait polls again", () => {
  const { wait, busyPoll } = device();
  wait(10_000);
  assert.equal(busyPoll.micros, 0);
  wait(20);
  assert.equal(busyPoll.micros, 200);
});

test("a wait with a limit of 0 only polls once, and other waits end at their limit", () => {
  const { wait, busyPoll } = device();
  assert.deepEqual(wait(10, 0), { ready: 0, slept: false, polls: 1 });
  assert.equal(busyPoll.micros, 0);
  assert.deepEqual(wait(10_000, 1), { ready: 0, slept: true, polls: 0 });
});

test("reports the same descriptors as poll(2)", () => {
  using event = EventFd.create();
  const poller = new Poller([event.number]);
  const busyPoll = new BusyPoll(poller, { now: () => performance.now() * 1000 });
  event.signal();
  for (let i = 0; i < 3; i++) {
    assert.equal(busyPoll.wait(1000), 1);
    assert.equal(poller.ready(0), true);
  }
  assert.equal(event.drain(), true);
  assert.equal(busyPoll.wait(1), 0);
});
