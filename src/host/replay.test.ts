import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Direction } from "#wire/pcapng.ts";
import { MAX_PAUSE_SECONDS } from "./replay-schedule.ts";
import { packet } from "./replay.test-kit.ts";
import { buildReplay } from "./replay.ts";

const PAUSE = MAX_PAUSE_SECONDS * 1e6;

test("packets that cannot be frames from the wire are omitted, and counted by reason", () => {
  const replay = buildReplay({
    packets: [
      packet(0, 60, { linkType: 113 }),
      packet(0, 60, { direction: Direction.outbound }),
      packet(0, 60, { damaged: true }),
      packet(0, 0, { originalLength: 0 }),
      packet(0, 60, { originalLength: 61 }),
      packet(0, 13),
      packet(0, 70_000),
      packet(0, 60, { direction: Direction.inbound }),
    ],
  });
  assert.deepEqual([replay.times.length, replay.packets], [1, 8]);
  assert.deepEqual(Object.fromEntries(replay.left), {
    foreign: 1,
    sent: 1,
    damaged: 1,
    unsized: 1,
    cut: 1,
    short: 1,
    long: 1,
  });
  assert.deepEqual([...replay.linkTypes], [113]);
});

const timesOf = (...packets: Parameters<typeof packet>[]) => {
  const { times, pauses, stepsBack } = buildReplay({ packets: packets.map((each) => packet(...each)) });
  return { times: [...times], pauses, stepsBack };
};

test("out-of-order packets are sent together", () => {
  assert.deepEqual(timesOf([500], [100], [600]), { times: [0, 0, 100], pauses: 0, stepsBack: 0 });
});

test("packets without a time are sent together with the previous one", () => {
  const untimed = { timed: false, seconds: 0, nanoseconds: 0 };
  assert.deepEqual(timesOf([0, 60, untimed], [500], [0, 60, untimed], [700]).times, [0, 0, 0, 200]);
});

test("a pause of years is shortened, and later intervals are unchanged", () => {
  const years = 54 * 365 * 86_400e6;
  assert.deepEqual(timesOf([0], [years], [years + 10]), { times: [0, PAUSE, PAUSE + 10], pauses: 1, stepsBack: 0 });
});

test("a time stamp in the far future delays only its own packet", () => {
  assert.deepEqual(timesOf([0], [1e15], [20], [30]), { times: [0, PAUSE, PAUSE, PAUSE + 10], pauses: 1, stepsBack: 1 });
});

test("a clock that was set back does not make all later packets due at once", () => {
  assert.deepEqual(timesOf([9e6], [4e6], [4e6 + 7]), { times: [0, 0, 7], pauses: 0, stepsBack: 1 });
});

test("with any time stamps, frames are in order and no two are further apart than the longest pause", () => {
  const time = fc.record({
    timed: fc.boolean(),
    seconds: fc.oneof(fc.nat(300), fc.double({ min: -9e18, max: 9e18, noNaN: true }).map(Math.floor)),
    nanoseconds: fc.oneof(fc.nat(999_999_999), fc.constant(4e12)),
  });
  fc.assert(
    fc.property(fc.array(time), (times) => {
      let last = 0;
      for (const at of buildReplay({ packets: times.map((more) => packet(0, 60, more)) }).times) {
        // The subtraction loses the last bits of a large number of microseconds.
        assert.ok(at >= last && at - last <= PAUSE + 1e-3, `${at} behind ${last}`);
        last = at;
      }
    }),
  );
});
