/** Frames forwarded inside the rings, against a simulated device that receives, sends and misbehaves at random. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EndOfRing, FirstSegment, LastSegment, Own, Rx } from "#chip/descriptors.ts";
import { DmaArena } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { ReceiveCount } from "./receive-core.ts";
import { createReceiveRing } from "./receive-ring.ts";
import { createTransmitRing, TransmitCount } from "./transmit-ring.ts";
import { createTurnaround } from "./turnaround.ts";

const IOVA = 0x2_4000_0000;
const WHOLE = FirstSegment | LastSegment;
const FCS = 4;
const MARK = 0x1111_0000;

/** Adds a mark to the frame's first word, which contains its number. */
const edit = (words: Int32Array, at: number): void => void (words[at]! += MARK);

interface RigOptions {
  readonly slots?: number;
  readonly sendSlots?: number;
  readonly spare?: number;
  readonly weaklyOrdered?: boolean;
}

const rig = ({ slots = 4, sendSlots = 8, spare = 8, weaklyOrdered = false }: RigOptions = {}) => {
  const dma = new DmaArena(new SharedArrayBuffer(1 << 20), IOVA);
  const scope = new DisposableStack();
  const receiver = createReceiveRing(dma, scope, { slots, bufferBytes: 2048, spare, weaklyOrdered });
  let rung = 0;
  const doorbell = (): void => void rung++;
  const transmitter = createTransmitRing(dma, scope, { slots: sendSlots, doorbell, weaklyOrdered });
  receiver.arm();
  transmitter.clear();
  const { words } = dma.window;
  const turn = createTurnaround(receiver, transmitter, { edit, doorbell, weaklyOrdered });
  const rx = (receiver.iova - IOVA) >> 2;
  const tx = (transmitter.iova - IOVA) >> 2;
  const buffer = (ring: number, slot: number): number => ((words[ring + slot * 4 + 2]! - (IOVA | 0)) | 0) >> 2;
  let received = 0;
  let sent = 0;
  const device = {
    /** Puts frame `number` of `length` bytes into the next receive slot, if the NIC owns it. */
    deliver(number: number, length: number, bits: number = WHOLE): boolean {
      const at = rx + received * 4;
      if (words[at]! >= 0) return false;
      words[buffer(rx, received)] = number;
      words[at] = (words[at]! & EndOfRing) | bits | (length + FCS);
      received = (received + 1) % slots;
      return true;
    },
    /** Sends the next frame. Returns the frame's first word and length, or undefined if there is no frame. */
    send(): { number: number; length: number } | undefined {
      const at = tx + sent * 4;
      const opts1 = words[at]!;
      if (opts1 >= 0) return undefined;
      assert.equal((opts1 & EndOfRing) !== 0, sent === sendSlots - 1);
      assert.equal(opts1 & WHOLE, WHOLE);
      words[at] = opts1 & ~Own;
      const frame = { number: words[buffer(tx, sent)]!, length: opts1 & 0xffff };
      sent = (sent + 1) % sendSlots;
      return frame;
    },
    /** The buffers that the NIC owns: those of posted receive slots, and of frames not sent yet. */
    buffers(): number[] {
      const all: number[] = [];
      for (let slot = 0; slot < slots; slot++) if (words[rx + slot * 4]! < 0) all.push(buffer(rx, slot));
      for (let slot = 0; slot < sendSlots; slot++) if (words[tx + slot * 4]! < 0) all.push(buffer(tx, slot));
      return all;
    },
  };
  return { turn, device, receiver, transmitter, rung: () => rung };
};

for (const weaklyOrdered of [false, true]) {
  const cpu = weaklyOrdered ? "a weakly ordered CPU" : "x86";
  test(`every good frame is edited and sent once, in order, and the NIC never owns a buffer in two slots (${cpu})`, () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("deliver" as const), length: fc.integer({ min: 0, max: 3000 }), bad: fc.nat(9) }),
      fc.record({ kind: fc.constant("send" as const), count: fc.nat(9) }),
      fc.record({ kind: fc.constant("turn" as const), budget: fc.nat(9) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.constantFrom(2, 4, 8), (steps, sendSlots) => {
        const { turn, device, receiver, transmitter } = rig({ sendSlots, weaklyOrdered });
        const expected: { number: number; length: number }[] = [];
        let refused = 0;
        let number = 0;
        for (const action of steps) {
          if (action.kind === "turn") assert.ok(turn(action.budget) <= action.budget);
          else if (action.kind === "send")
            for (let i = 0; i < action.count; i++) {
              const frame = device.send();
              if (frame !== undefined) assert.deepEqual(frame, expected.shift());
            }
          else {
            const bits =
              action.bad === 0 ? WHOLE | Rx.crcError | Rx.errorSummary : action.bad === 1 ? FirstSegment : WHOLE;
            number++;
            if (!device.deliver(number, action.length, bits)) continue;
            if (bits === WHOLE && action.length >= 14 && action.length + FCS <= 2048)
              expected.push({ number: number + MARK, length: action.length });
            else refused++;
          }
          const inUse = device.buffers();
          assert.equal(new Set(inUse).size, inUse.length);
        }
        // The frames that are left are forwarded and sent here.
        for (let i = 0; i < 3; i++) {
          turn(64);
          for (let frame = device.send(); frame !== undefined; frame = device.send())
            assert.deepEqual(frame, expected.shift());
        }
        assert.deepEqual(expected, []);
        assert.equal(receiver.counters()[ReceiveCount.errors]! + receiver.counters()[ReceiveCount.nonsense]!, refused);
        assert.equal(transmitter.counters()[TransmitCount.frames], receiver.counters()[ReceiveCount.frames]);
        assert.equal(transmitter.counters()[TransmitCount.bytes], receiver.counters()[ReceiveCount.bytes]);
      }),
      { seed: 20_261_122, numRuns: 200 },
    );
  });
}

test("a chip whose short frames need padding is rejected, because a runt would be sent with stale bytes after its end", () => {
  const dma = new DmaArena(new SharedArrayBuffer(1 << 20), IOVA);
  const scope = new DisposableStack();
  const parts = { doorbell: () => undefined, weaklyOrdered: false };
  const receiver = createReceiveRing(dma, scope, { slots: 4, bufferBytes: 2048, spare: 16, weaklyOrdered: false });
  const padding = { below: 60, paddedLength: () => 60 };
  const transmitter = createTransmitRing(dma, scope, { slots: 8, padding, ...parts });
  assert.throws(() => createTurnaround(receiver, transmitter, { edit, ...parts }), OutOfRange);
});

test("the doorbell is rung once for each call that forwards frames, and not otherwise", () => {
  const { turn, device, rung } = rig();
  assert.equal(turn(8), 0);
  assert.equal(rung(), 0);
  for (let i = 0; i < 3; i++) device.deliver(i, 60);
  assert.equal(turn(8), 3);
  assert.equal(rung(), 1);
});

test("each frame and its bytes are counted once in each direction", () => {
  const { turn, device, receiver, transmitter } = rig();
  for (const length of [60, 1514, 61]) device.deliver(0, length);
  turn(8);
  const received = [ReceiveCount.frames, ReceiveCount.bytes].map((at) => receiver.counters()[at]);
  const sent = [TransmitCount.frames, TransmitCount.bytes, TransmitCount.doorbells].map(
    (at) => transmitter.counters()[at],
  );
  assert.deepEqual(received, [3, 1635]);
  assert.deepEqual(sent, [3, 1635, 1]);
});

test("a call stops when its budget is used up, and the next call continues from there", () => {
  const { turn, device } = rig();
  for (let i = 0; i < 4; i++) device.deliver(i, 60);
  assert.equal(turn(3), 3);
  assert.equal(turn(3), 1);
});

test("fewer spare buffers than transmit descriptors are rejected", () => {
  assert.throws(() => rig({ sendSlots: 8, spare: 7 }), OutOfRange);
});
