/**
 * Both rings of a link against a simulated device: calls exchange buffers, and each buffer stays in exactly one place.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EndOfRing, FirstSegment, LastSegment, Own } from "#chip/descriptors.ts";
import { DmaArena } from "#kit/dma.ts";
import { FRAME_WORDS, NO_BUFFER, emptyBurst } from "#kit/link.ts";
import { checkedBuffers } from "./checked-buffers.ts";
import { ReceiveState } from "./receive-core.ts";
import { createReceiveRing } from "./receive-ring.ts";
import { createTransmitRing } from "./transmit-ring.ts";

const IOVA = 0x2_4000_0000;
const WHOLE = FirstSegment | LastSegment;
const BUFFER = 256;
const ENTRIES = 8;
const SPARE = 24;
const FCS = 4;
const doorbell = (): void => undefined;

const rig = (options: { readonly weaklyOrdered?: boolean; readonly checked?: boolean } = {}) => {
  const { weaklyOrdered = false, checked = true } = options;
  const [slots, sendSlots] = [4, 8];
  const dma = new DmaArena(new ArrayBuffer(1 << 20), IOVA);
  const scope = new DisposableStack();
  const burst = emptyBurst(ENTRIES);
  const receiver = createReceiveRing(dma, scope, { slots, bufferBytes: BUFFER, spare: SPARE, weaklyOrdered, burst });
  const transmitter = createTransmitRing(dma, scope, { slots: sendSlots, doorbell, weaklyOrdered, burst });
  receiver.arm();
  transmitter.clear();
  const calls = { ...receiver, transmit: transmitter.transmit };
  const { words } = dma.window;
  const [rx, tx] = [(receiver.iova - IOVA) >> 2, (transmitter.iova - IOVA) >> 2];
  const buffer = (ring: number, slot: number): number => (words[ring + slot * 4 + 2]! - (IOVA | 0)) | 0;
  let [received, sent] = [0, 0];
  return {
    ...(checked ? checkedBuffers(calls, receiver.core) : calls),
    burst,
    transmitter,
    /** Puts a frame with this number into the next receive slot, if the NIC owns it. */
    deliver(number: number, opts1 = WHOLE | (60 + FCS)): boolean {
      const at = rx + received * 4;
      if (words[at]! >= 0) return false;
      words[buffer(rx, received) >> 2] = number;
      words[at] = (words[at]! & EndOfRing) | (opts1 & ~Own);
      received = (received + 1) % slots;
      return true;
    },
    /** Sends the next frame. Returns the frame's number, or undefined if there is no frame. */
    send(): number | undefined {
      const at = tx + sent * 4;
      if (words[at]! >= 0) return undefined;
      words[at]! &= ~Own;
      const number = words[buffer(tx, sent) >> 2]!;
      sent = (sent + 1) % sendSlots;
      return number;
    },
    /** The offsets of all receive buffers, wherever each is: in a ring, in an entry, or spare. */
    places(): number[] {
      const { held, free, state } = receiver.core;
      const entries = burst.filter((_, at) => at % FRAME_WORDS === 0);
      const all = [...held, ...transmitter.core.held, ...entries, ...free.subarray(0, state[ReceiveState.spares])];
      return all.filter((offset) => offset !== NO_BUFFER);
    },
  };
};

const range = fc.tuple(fc.nat(ENTRIES - 1), fc.nat(ENTRIES)).map(([first, count]) => ({
  first,
  count: Math.min(count, ENTRIES - first),
}));
const step = fc.oneof(
  fc.record({ kind: fc.constantFrom("receive" as const, "transmit" as const, "supply" as const), range }),
  fc.record({ kind: fc.constant("deliver" as const), opts1: fc.option(fc.integer(), { nil: undefined }) }),
  fc.record({ kind: fc.constant("send" as const) }),
  fc.record({ kind: fc.constant("swap" as const), pair: fc.tuple(fc.nat(ENTRIES - 1), fc.nat(ENTRIES - 1)) }),
);

for (const weaklyOrdered of [false, true])
  for (const checked of [false, true])
    test(`in any order of calls, every receive buffer is in one place (weakly ordered: ${weaklyOrdered}, checked: ${checked})`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
          const link = rig({ weaklyOrdered, checked });
          const { burst } = link;
          const total = link.places().length;
          for (const action of steps) {
            if (action.kind === "receive") link.receive(action.range.first, action.range.count);
            else if (action.kind === "supply") link.supply(action.range.first, action.range.count);
            else if (action.kind === "deliver") link.deliver(0, action.opts1);
            else if (action.kind === "send") link.send();
            else if (action.kind === "swap") {
              const [a, b] = action.pair.map((entry) => entry * FRAME_WORDS) as [number, number];
              [burst[a], burst[b]] = [burst[b]!, burst[a]!];
            } else {
              const { first, count } = action.range;
              let n = 0;
              for (; n < count && burst[(first + n) * FRAME_WORDS] !== NO_BUFFER; n++)
                burst.set([60, 0, 0], (first + n) * FRAME_WORDS + 1);
              link.transmit(first, n);
            }
            const places = link.places();
            assert.equal(places.length, total);
            assert.equal(new Set(places).size, total);
          }
        }),
        { seed: 20_261_130, numRuns: 200 },
      );
    });

test("received frames are sent once and in order, even if the NIC sends late", () => {
  const link = rig();
  const delays = fc.array(fc.tuple(fc.nat(4), fc.nat(8), fc.integer({ min: 1, max: ENTRIES })), { maxLength: 100 });
  let [given, back] = [0, 0];
  let [first, waiting] = [0, 0];
  const forward = (budget: number): void => {
    if (waiting === 0) [first, waiting] = [0, link.receive(0, budget)];
    const taken = link.transmit(first, waiting);
    [first, waiting] = [first + taken, waiting - taken];
  };
  const collect = (max: number): void => {
    for (let i = 0; i < max; i++) {
      const number = link.send();
      if (number === undefined) return;
      assert.equal(number, back++);
    }
  };
  fc.assert(
    fc.property(delays, (rounds) => {
      for (const [deliveries, completions, budget] of rounds) {
        for (let i = 0; i < deliveries; i++) if (link.deliver(given)) given++;
        forward(budget);
        collect(completions);
      }
      for (let i = 0; i < 20; i++) {
        forward(ENTRIES);
        collect(ENTRIES);
      }
      assert.equal(back, given);
      assert.equal(link.transmitter.pending(), 0);
    }),
    { seed: 20_261_130, numRuns: 50 },
  );
});

test("with `checked`, a buffer is rejected if it is in two entries, if the NIC owns it, or if the offset is inside the buffer", () => {
  const link = rig();
  const { burst } = link;
  for (let i = 0; i < 3; i++) link.deliver(i);
  assert.equal(link.receive(0, 3), 3);
  const [one, two, three] = [0, 1, 2].map((entry) => burst[entry * FRAME_WORDS]!) as [number, number, number];
  assert.equal(link.transmit(2, 1), 1);
  link.deliver(3);
  const entries = (a: number, b: number): void => {
    burst[0] = a;
    burst[FRAME_WORDS] = b;
  };
  for (const [a, b] of [
    [one, one],
    [one + 8, two],
    [one, three],
  ] as const) {
    entries(a, b);
    assert.throws(() => link.receive(0, 2), { code: "MISUSE" });
    assert.deepEqual([burst[0], burst[FRAME_WORDS]], [a, b], "nothing was exchanged");
    if (b === two) continue;
    burst.set([60, 0, 0], 1);
    burst.set([60, 0, 0], FRAME_WORDS + 1);
    assert.throws(() => link.transmit(0, 2), { code: "MISUSE" });
  }
  entries(one, two);
  assert.equal(link.receive(0, 2), 1);
});

test("with `checked`, an entry with a buffer that the NIC owns is rejected even after `supply`", () => {
  const link = rig();
  link.deliver(0);
  assert.equal(link.receive(0, 1), 1);
  const sent = link.burst[0]!;
  assert.equal(link.transmit(0, 1), 1);
  link.burst[0] = sent;
  assert.equal(link.supply(0, 2), 2);
  link.deliver(1);
  assert.throws(() => link.receive(0, 1), { code: "MISUSE" });
});

for (const checked of [false, true])
  test(`the caller's own memory comes back after it was sent, and is rejected as a receive buffer (checked: ${checked})`, () => {
    const link = rig({ checked });
    const { burst } = link;
    for (let i = 0; i < 9; i++) {
      burst.set([(1 << 19) + i * 64, 60, 0, 0]);
      assert.equal(link.transmit(0, 1), 1);
      assert.equal(burst[0], i < 8 ? NO_BUFFER : 1 << 19);
      link.send();
    }
    link.deliver(0);
    assert.throws(() => link.receive(0, 1), { code: "OUT_OF_RANGE" });
    for (const call of [link.receive, link.transmit, link.supply])
      assert.throws(() => call(ENTRIES, 1), { code: "OUT_OF_RANGE" });
  });
