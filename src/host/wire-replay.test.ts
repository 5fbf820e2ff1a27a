import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { CapturedPacket } from "#wire/captured-packet.ts";
import { packet } from "./replay.test-kit.ts";
import { buildReplay, EMPTY_REPLAY } from "./replay.ts";
import { ReplayWire } from "./wire-replay.ts";

const setUp = (packets: readonly CapturedPacket[], options: { rate?: number; loop?: boolean } = {}) => {
  const clock = new VirtualClock();
  const wire = new ReplayWire({ replay: buildReplay({ packets }), clock, ...options });
  const arrived: [at: number, length: number][] = [];
  const nic = {
    room: true,
    receive: (bytes: Uint8Array, offset: number, length: number) => {
      assert.ok(bytes.subarray(offset, offset + length).every((byte) => byte === (length & 255)));
      return arrived.push([clock.now(), length]) > 0;
    },
    hasRoom: () => nic.room,
  };
  wire.plug(nic);
  const run = (micros: number): void => {
    for (const end = clock.now() + micros; clock.now() < end; clock.delay(10)) wire.pump(64);
  };
  return { clock, wire, nic, arrived, run };
};

test("frames are sent at their recorded intervals, starting when the NIC is ready", () => {
  const { nic, arrived, run, wire } = setUp([packet(500, 60), packet(700, 61), packet(1_000_500, 62)]);
  nic.room = false;
  run(1000);
  assert.deepEqual(arrived, []);
  nic.room = true;
  run(2_000_000);
  assert.deepEqual(arrived, [
    [1000, 60],
    [1200, 61],
    [1_001_000, 62],
  ]);
  assert.equal(wire.due, Infinity);
});

test("frames are sent at a steady rate, or as fast as possible without a limit", () => {
  const packets = [packet(0, 60), packet(9, 61), packet(9_000_000, 62)];
  const even = setUp(packets, { rate: 1000 });
  even.run(5000);
  assert.deepEqual(even.arrived, [
    [0, 60],
    [1000, 61],
    [2000, 62],
  ]);
  const fast = setUp(packets, { rate: Infinity });
  fast.run(10);
  assert.equal(fast.arrived.length, 3);
});

test("in a loop the first frame follows the last", () => {
  const { arrived, run } = setUp([packet(0, 60), packet(100, 61)], { loop: true });
  run(290);
  assert.deepEqual(
    arrived.map(([, length]) => length),
    [60, 61, 60, 61, 60],
  );
});

test("each NIC that is connected gets the frames from the start", () => {
  const { arrived, run, wire, nic } = setUp([packet(0, 60)]);
  run(10);
  wire.plug(nic);
  run(10);
  assert.equal(arrived.length, 2);
});

test("a frame waits for room in the NIC, while time continues", () => {
  const { arrived, run, wire, nic } = setUp([packet(0, 60), packet(100, 61), packet(200, 62)]);
  run(10);
  nic.room = false;
  run(500);
  assert.equal(wire.pending, true);
  nic.room = true;
  run(10);
  assert.deepEqual(arrived.slice(1), [
    [510, 61],
    [510, 62],
  ]);
});

test("the NIC's frames are counted and discarded", () => {
  const wire = new ReplayWire({ replay: EMPTY_REPLAY, clock: new VirtualClock() });
  assert.equal(wire.reserve(60), 0);
  wire.commit(60);
  assert.equal(wire.delivery.counts.sentFrames, 1);
  assert.equal(wire.reserve(1 << 20), -1);
  assert.equal(wire.due, Infinity);
});

test("the rate must be greater than 0", () => {
  assert.throws(() => new ReplayWire({ replay: EMPTY_REPLAY, clock: new VirtualClock(), rate: 0 }), OutOfRange);
});
