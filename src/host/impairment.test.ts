import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { VirtualClock } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Damage, type Plug, type Port, type SegmentSource } from "#kit/port.ts";
import { IMPAIRMENTS } from "./impaired-lane.ts";
import { ImpairedWire } from "./impairment.ts";

/** The far end: keeps the frames that the NIC sends, and can send frames. */
class Far implements Port {
  readonly bytes = new Uint8Array(1 << 16);
  readonly sent: number[][] = [];
  readonly continued: boolean[] = [];
  flushes = 0;
  nic: Plug | undefined;
  full = false;
  reserve(): number {
    return this.full ? -1 : 64;
  }
  commit(length: number, continues = false): void {
    this.sent.push([...this.bytes.subarray(64, 64 + length)]);
    this.continued.push(continues);
  }
  flush(): void {
    this.flushes++;
  }
  plug(nic: Plug): void {
    this.nic = nic;
  }
}

const setUp = (seed = 7) => {
  const clock = new VirtualClock();
  const far = new Far();
  const wire = new ImpairedWire(far, { clock, timers: clock.timers, seed });
  const received: number[][] = [];
  const damaged: number[] = [];
  wire.plug({
    receive: (bytes, offset, length) => received.push([...bytes.subarray(offset, offset + length)]) > 0,
    receiveDamaged: (_bytes, _offset, _length, damage) => damaged.push(damage) < 0,
  });
  const send = (...bytes: number[]): void => {
    const at = wire.reserve(bytes.length);
    wire.bytes.set(bytes, at);
    wire.commit(bytes.length);
  };
  const deliver = (...bytes: number[]): boolean => far.nic!.receive(Uint8Array.from([0, 0, ...bytes]), 2, bytes.length);
  return { clock, far, wire, received, damaged, send, deliver };
};

test("a wire without impairments passes frames in place, with their continuation marks", () => {
  const { far, wire, received, send, deliver } = setUp();
  send(1, 2, 3);
  wire.reserve(3);
  wire.commit(3, true);
  assert.deepEqual(far.sent, [
    [1, 2, 3],
    [1, 2, 3],
  ]);
  assert.deepEqual(far.continued, [false, true]);
  assert.equal(deliver(4, 5), true);
  assert.deepEqual(received, [[4, 5]]);
});

test("the cable loses the given number of frames, in one direction only", () => {
  const { far, wire, received, send, deliver } = setUp();
  wire.arm("out", "loss", { count: 2 });
  for (let i = 0; i < 4; i++) {
    send(i);
    deliver(i);
  }
  assert.deepEqual(far.sent, [[2], [3]]);
  assert.equal(received.length, 4);
  assert.equal(wire.counts("out").loss, 2);
  assert.deepEqual(wire.armed("out"), {});
});

test("a lost frame from the far end is counted by the wire, not the NIC", () => {
  const { wire, received, deliver } = setUp();
  wire.arm("in", "loss", {});
  assert.equal(deliver(1), true);
  assert.deepEqual(received, []);
});

test("the cable flips one bit after the addresses, but not in the sender's own copy", () => {
  const { far, wire, send, deliver, received } = setUp();
  const frame = Array.from({ length: 60 }, (_, i) => i);
  wire.arm("out", "corrupt", { count: 1 });
  wire.arm("in", "corrupt", { count: 1 });
  send(...frame);
  deliver(...frame);
  for (const got of [far.sent[0]!, received[0]!]) {
    const wrong = frame.flatMap((byte, i) => (got[i] === byte ? [] : [[i, got[i]! ^ byte]]));
    assert.equal(wrong.length, 1);
    assert.ok(wrong[0]![0]! >= 12);
    assert.equal(Math.log2(wrong[0]![1]!) % 1, 0);
  }
});

test("a frame with a bad FCS reaches the NIC as damaged, and is dropped by a switch", () => {
  const { far, wire, received, damaged, send, deliver } = setUp();
  wire.arm("out", "crc", { count: 1 });
  wire.arm("in", "crc", { count: 1 });
  for (const i of [1, 2]) {
    send(i, i, i);
    deliver(i, i, i);
  }
  assert.deepEqual(far.sent, [[2, 2, 2]]);
  assert.deepEqual(received, [[2, 2, 2]]);
  assert.deepEqual(damaged, [Damage.crc]);
});

test("a duplicated frame arrives twice, a reordered one after the next", () => {
  const { far, wire, send } = setUp();
  wire.arm("out", "duplicate", { count: 1 });
  send(1);
  wire.arm("out", "reorder", { count: 1 });
  for (const i of [2, 3, 4]) send(i);
  assert.deepEqual(far.sent, [[1], [1], [3], [2], [4]]);
});

test("a reordered frame without a successor is delivered after a limited time", () => {
  const { clock, far, wire, send } = setUp();
  wire.arm("out", "reorder", { count: 1 });
  send(1);
  assert.deepEqual(far.sent, []);
  clock.delay(10_000);
  assert.deepEqual(far.sent, [[1]]);
  assert.equal(far.flushes, 1);
});

test("the cable delays frames in order, and flushes them on arrival", () => {
  const { clock, far, wire, received, send, deliver } = setUp();
  wire.arm("out", "delay", { micros: 500 });
  wire.arm("in", "delay", { micros: 300 });
  for (const i of [1, 2]) {
    send(i);
    deliver(i);
  }
  clock.delay(299);
  assert.deepEqual([far.sent, received], [[], []]);
  clock.delay(1);
  assert.deepEqual(received, [[1], [2]]);
  clock.delay(200);
  assert.deepEqual(far.sent, [[1], [2]]);
  assert.equal(far.flushes, 2);
});

test("a wire holds a limited number of frames, and counts the ones it loses", () => {
  const { clock, wire, received, deliver } = setUp();
  wire.arm("in", "delay", { micros: 1000 });
  for (let i = 0; i < 5000; i++) deliver(i & 255);
  clock.delay(1000);
  assert.equal(received.length, 4096);
  assert.equal(wire.counts("in").overflow, 5000 - 4096);
});

/** Sends 100 frames in each direction, and loses 30 % at random. Returns the numbers of the frames that arrive. */
const survivors = (seed: number): string => {
  const { far, wire, received, send, deliver } = setUp(seed);
  for (const direction of ["out", "in"] as const) wire.arm(direction, "loss", { probability: 0.3 });
  for (let i = 0; i < 100; i++) {
    send(i);
    deliver(i);
  }
  assert.ok(far.sent.length > 50 && far.sent.length < 90, `${far.sent.length} of 100 came`);
  assert.notDeepEqual(far.sent, received);
  return JSON.stringify([far.sent, received]);
};

test("the same seed affects the same frames, and the directions are independent", () => {
  assert.equal(survivors(1), survivors(1));
  assert.notEqual(survivors(1), survivors(2));
});

test("cleared impairments no longer apply; held frames are still delivered", () => {
  const { clock, far, wire, send } = setUp();
  wire.arm("out", "delay", { micros: 10 });
  send(1);
  wire.clear("out");
  send(2);
  clock.delay(10);
  assert.deepEqual(far.sent, [[2], [1]]);
});

test("invalid probabilities, counts and delays are rejected", () => {
  const { wire } = setUp();
  for (const wrong of [
    { probability: 1.1 },
    { probability: Number.NaN },
    { count: -1 },
    { count: 0.5 },
    { micros: -1 },
    { micros: Infinity },
  ])
    assert.throws(() => wire.arm("out", "delay", wrong), OutOfRange);
});

test("a frame that the NIC does not accept is counted as refused, not as received", () => {
  const { clock, far, wire } = setUp();
  wire.plug({ receive: () => false, receiveDamaged: () => false });
  const deliver = () => far.nic!.receive(new Uint8Array(60), 0, 60);
  assert.equal(deliver(), false);
  wire.arm("in", "loss", { count: 3 });
  for (let i = 0; i < 4; i++) deliver();
  wire.arm("in", "crc", { count: 1 });
  deliver();
  assert.equal(wire.inject(new Uint8Array(60)), false);
  clock.delay(1);
  assert.deepEqual(wire.totals("in"), {
    entered: 7,
    enteredBytes: 420,
    doubled: 0,
    delivered: 0,
    deliveredBytes: 0,
    refused: 3,
    lost: 4,
    held: 0,
  });
});

test("frames that pass unchanged are counted too, in one piece and in two", () => {
  const { far, wire, send, deliver } = setUp();
  send(1, 2, 3);
  deliver(4, 5);
  assert.deepEqual([wire.totals("out").delivered, wire.totals("out").deliveredBytes], [1, 3]);
  assert.deepEqual([wire.totals("in").delivered, wire.totals("in").deliveredBytes], [1, 2]);
  const gathering = new ImpairedWire(Object.assign(far, { gathers: true, commitSplit: () => {} }), {
    clock: { now: () => 0 },
    timers: new VirtualClock().timers,
  });
  gathering.reserve(20);
  gathering.commitSplit(20, 100, 30, false);
  assert.equal(gathering.totals("out").deliveredBytes, 50);
});

test("the totals agree at all times, with any impairments and receivers", () => {
  const setting = fc.record({
    name: fc.constantFrom(...IMPAIRMENTS),
    probability: fc.double({ min: 0, max: 1, noNaN: true }),
    count: fc.constantFrom(1, 3, Infinity),
    micros: fc.nat(50),
  });
  const step = fc.record({ wait: fc.nat(100), takes: fc.boolean(), full: fc.boolean() });
  fc.assert(
    fc.property(fc.integer(), fc.array(setting), fc.array(step, { maxLength: 100 }), (seed, settings, steps) => {
      const { clock, far, wire, send } = setUp(seed);
      let [takes, received] = [true, 0];
      wire.plug({
        receive: () => {
          if (takes) received++;
          return takes;
        },
        receiveDamaged: () => false,
      });
      for (const direction of ["out", "in"] as const)
        for (const { name, ...impairment } of settings) wire.arm(direction, name, impairment);
      const agree = (): void => {
        for (const direction of ["out", "in"] as const) {
          const { entered, doubled, delivered, refused, lost, held } = wire.totals(direction);
          assert.equal(entered + doubled, delivered + refused + lost + held, direction);
        }
        assert.equal(wire.totals("in").delivered, received);
        assert.equal(wire.totals("out").delivered, far.sent.length);
      };
      for (const each of steps) {
        takes = each.takes;
        far.nic!.receive(new Uint8Array(60), 0, 60);
        if (!far.full) send(1, 2, 3);
        far.full = each.full;
        clock.delay(each.wait);
        agree();
      }
      clock.delay(100_000);
      agree();
      assert.deepEqual([wire.totals("in").held, wire.totals("out").held], [0, 0]);
      assert.equal(wire.totals("in").entered, steps.length);
    }),
  );
});

test("with any impairments, each frame that arrives was sent, and arrives at most twice", () => {
  const setting = fc.record({
    name: fc.constantFrom(...IMPAIRMENTS.filter((name) => name !== "corrupt" && name !== "crc")),
    probability: fc.double({ min: 0, max: 1, noNaN: true }),
    count: fc.constantFrom(1, 3, Infinity),
    micros: fc.nat(50),
  });
  fc.assert(
    fc.property(fc.integer(), fc.array(setting), fc.array(fc.nat(100), { maxLength: 200 }), (seed, settings, waits) => {
      const { clock, far, wire, send } = setUp(seed);
      for (const { name, ...impairment } of settings) wire.arm("out", name, impairment);
      for (const [i, wait] of waits.entries()) {
        send(i);
        clock.delay(wait);
      }
      wire.clear("out");
      clock.delay(100_000);
      const seen = new Map<number, number>();
      for (const [number] of far.sent) seen.set(number!, (seen.get(number!) ?? 0) + 1);
      for (const [number, times] of seen) assert.ok(number < waits.length && times <= 2);
      const { loss, duplicate, overflow } = wire.counts("out");
      assert.equal(far.sent.length, waits.length - loss + duplicate - overflow);
    }),
  );
});

/** The given number of segments of 100 bytes. */
const segmentsOf = (count: number): SegmentSource & { left: number } => ({
  left: count,
  offset: 0,
  length: 100,
  headerBytes: 54,
  make: () => {},
  skip() {
    this.left--;
  },
});

test("segments pass as they are built and count as frames, unless an impairment is armed or the NIC does not accept segments", () => {
  const { far, wire } = setUp();
  wire.plug({
    receive: () => true,
    receiveSegments: (segments) => {
      const before = segments.left;
      while (segments.left > 1) segments.skip();
      return before - segments.left;
    },
  });
  const some = segmentsOf(4);
  assert.equal(far.nic!.receiveSegments!(some), 3);
  assert.equal(some.left, 1);
  const { delivered, deliveredBytes } = wire.totals("in");
  assert.deepEqual([delivered, deliveredBytes], [3, 300]);
  wire.arm("in", "loss", { probability: 0.5 });
  assert.equal(far.nic!.receiveSegments!(segmentsOf(4)), 0);
  wire.clear("in");
  wire.plug({ receive: () => true });
  assert.equal(far.nic!.receiveSegments!(segmentsOf(4)), 0);
});
