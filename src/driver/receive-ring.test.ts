/** The receive ring. The test writes the words that a device would write to memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EndOfRing, FirstSegment, LastSegment, OPTS1, OPTS2, Own, Rx, RxTagTaken } from "#chip/descriptors.ts";
import { DmaArena } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FRAME_WORDS, LINK_ENTRIES, NO_BUFFER, Received, emptyBurst } from "#kit/link.ts";
import { ReceiveCount } from "./receive-core.ts";
import { type ReceiveRingOptions, createReceiveRing } from "./receive-ring.ts";

const IOVA = 0x2_4000_0000;
const WHOLE = FirstSegment | LastSegment;

const rig = (options: Partial<ReceiveRingOptions> = {}) => {
  const { slots = 8, bufferBytes = 2048, spare = 8, weaklyOrdered = false } = options;
  const dma = new DmaArena(new ArrayBuffer(1 << 20), IOVA);
  const burst = emptyBurst();
  const ring = createReceiveRing(dma, new DisposableStack(), { slots, bufferBytes, spare, weaklyOrdered, burst });
  ring.arm();
  const words = dma.window.words;
  const base = (ring.iova - IOVA) >> 2;
  const word = (slot: number, i: number): number => words[base + slot * 4 + i]!;
  /** Writes a frame of `length` bytes without FCS into `slot`, as the device does. */
  const deliver = (slot: number, length: number, bits = WHOLE, opts2 = 0): void => {
    words[base + slot * 4 + OPTS2] = opts2;
    words[base + slot * 4 + OPTS1] = (word(slot, OPTS1) & EndOfRing) | bits | (length + 4);
  };
  /** The offset in the window of a slot's buffer. */
  const place = (slot: number): number => (word(slot, 2) - (IOVA | 0)) | 0;
  return { dma, ring, word, place, deliver, burst, slots, bufferBytes };
};

for (const weaklyOrdered of [false, true]) {
  const cpu = weaklyOrdered ? "a weakly ordered CPU" : "x86";

  test(`arming gives every descriptor to the NIC, and marks the last one as the end of the ring (${cpu})`, () => {
    const { word, slots, bufferBytes } = rig({ weaklyOrdered });
    for (let slot = 0; slot < slots; slot++) {
      assert.equal(word(slot, OPTS1), Own | bufferBytes | (slot === slots - 1 ? EndOfRing : 0));
      assert.equal(word(slot, 3), 2, "high half of the address");
    }
  });

  test(`a frame is handed out without its FCS, and its slot goes back to the NIC with another buffer (${cpu})`, () => {
    const { ring, word, deliver, burst } = rig({ weaklyOrdered });
    const before = word(0, 2);
    deliver(0, 60);
    assert.equal(ring.receive(0, 64), 1);
    assert.equal(burst[1], 60);
    assert.equal(burst[0]! + IOVA, (before >>> 0) + 2 * 2 ** 32);
    assert.notEqual(word(0, 2), before);
    assert.ok(word(0, OPTS1) < 0, "the slot belongs to the NIC again");
  });
}

test("`receive` stops at the first descriptor that the NIC still owns", () => {
  const { ring, deliver } = rig();
  deliver(0, 60);
  deliver(2, 60);
  assert.equal(ring.receive(0, 64), 1);
});

test("`receive` hands out no more entries than its budget", () => {
  const { ring, deliver } = rig();
  for (let slot = 0; slot < 5; slot++) deliver(slot, 60);
  assert.equal(ring.receive(0, 3), 3);
  assert.ok(ring.waiting());
  assert.equal(ring.receive(0, 3), 2);
  assert.ok(!ring.waiting());
});

test("the byte counter holds more than 32 bits", () => {
  const { ring, deliver } = rig({ slots: 1, spare: 1, bufferBytes: 16_376 });
  const frames = 300_000;
  for (let n = 0; n < frames; n++) {
    deliver(0, 16_000);
    assert.equal(ring.receive(0, 1), 1);
  }
  assert.equal(ring.counters()[ReceiveCount.frames], frames);
  assert.equal(ring.counters()[ReceiveCount.bytes], frames * 16_000);
});

test("after the last slot of the ring comes the first", () => {
  const { ring, deliver, burst } = rig();
  for (let n = 0; n < 50; n++) {
    deliver(n % 8, 60 + n);
    assert.equal(ring.receive(0, 64), 1);
    assert.equal(burst[1], 60 + n);
  }
});

test("an entry's buffer goes to the NIC, and the frame's buffer into the entry", () => {
  const { ring, deliver, burst, place } = rig();
  deliver(0, 60);
  const first = place(0);
  assert.equal(ring.receive(3, 1), 1);
  assert.equal(burst[3 * FRAME_WORDS], first);
  deliver(1, 60);
  const second = place(1);
  assert.equal(ring.receive(3, 1), 1);
  assert.equal(burst[3 * FRAME_WORDS], second);
  assert.equal(place(1), first);
});

test("a received frame is the same whether the slot gets an entry's buffer or a spare one", () => {
  const { ring, deliver, burst } = rig({ spare: 1 });
  for (const flags of [0, Rx.protocolTcp, Rx.protocolUdp]) {
    deliver(ring.core.state[0]!, 100, WHOLE | flags, RxTagTaken | 0x3412);
    burst[0] = NO_BUFFER;
    ring.core.state[1] = 1;
    ring.receive(0, 1);
    const supplied = [...burst.subarray(1, 4)];
    deliver(ring.core.state[0]!, 100, WHOLE | flags, RxTagTaken | 0x3412);
    ring.receive(0, 1);
    assert.deepEqual([...burst.subarray(1, 4)], supplied);
  }
});

test("frames stay in the ring while the host holds every spare buffer", () => {
  const { ring, deliver, burst } = rig({ spare: 2 });
  for (let slot = 0; slot < 4; slot++) deliver(slot, 60);
  assert.equal(ring.receive(0, 64), 2);
  assert.equal(ring.receive(2, 64), 0);
  assert.equal(ring.supply(2, 1), 0);
  burst[3 * FRAME_WORDS] = burst[0]!;
  burst[0] = NO_BUFFER;
  assert.equal(ring.receive(2, 64), 0, "the first entry has no buffer");
  assert.equal(ring.receive(3, 64), 1);
});

test("`supply` gives buffers to entries that have none, and does not change those that have one", () => {
  const { ring, burst } = rig({ spare: 3 });
  assert.equal(ring.supply(1, 1), 1);
  const [, , , , one] = burst;
  assert.equal(ring.supply(0, 8), 3);
  const offsets = [0, 1, 2, 3].map((entry) => burst[entry * FRAME_WORDS]!);
  assert.equal(offsets[1], one);
  assert.equal(offsets[3], NO_BUFFER);
  assert.equal(new Set(offsets).size, 4);
});

test("rejects entries that the link does not have", () => {
  const { ring } = rig();
  for (const [first, count] of [
    [-1, 1],
    [0, -1],
    [0, LINK_ENTRIES + 1],
    [LINK_ENTRIES, 1],
  ] as const) {
    assert.throws(() => ring.receive(first, count), OutOfRange);
    assert.throws(() => ring.supply(first, count), OutOfRange);
  }
});

test("an entry with an offset outside the receive buffers is rejected, and the frame stays in the ring", () => {
  const { ring, deliver, burst, word } = rig();
  const pool = Math.min(...ring.core.held);
  deliver(0, 60);
  for (const wrong of [pool - 8, pool + 16 * 2048, 0, -2, 0x7fff_ffff, -0x8000_0000]) {
    burst[0] = wrong;
    assert.throws(() => ring.receive(0, 64), OutOfRange);
    assert.equal(burst[0], wrong);
    assert.ok(word(0, OPTS1) >= 0, "the frame waits");
  }
  burst[0] = NO_BUFFER;
  burst[FRAME_WORDS] = 0;
  deliver(1, 60);
  assert.equal(ring.receive(0, 64), 1, "the frame before the invalid entry is received first");
  assert.throws(() => ring.receive(1, 64), OutOfRange);
});

const verdicts: readonly [string, number, number][] = [
  ["TCP, correct", Rx.protocolTcp, Received.ipChecksumGood | Received.tcpChecksumGood],
  ["UDP, correct", Rx.protocolUdp, Received.ipChecksumGood | Received.udpChecksumGood],
  ["IP, correct", Rx.protocol, Received.ipChecksumGood],
  ["not IP", 0, 0],
  ["TCP with a bad TCP checksum", Rx.protocolTcp | Rx.tcpChecksumFailed, 0],
  ["TCP with a bad IP checksum", Rx.protocolTcp | Rx.ipChecksumFailed, 0],
  ["UDP with a bad UDP checksum", Rx.protocolUdp | Rx.udpChecksumFailed, 0],
];
for (const [what, bits, expected] of verdicts)
  test(`the NIC's checksum results are passed on as flags: ${what}`, () => {
    const { ring, deliver, burst } = rig();
    deliver(0, 60, WHOLE | bits);
    ring.receive(0, 1);
    assert.equal(burst[2], expected);
  });

test("the bytes of a VLAN tag are swapped to host order", () => {
  const { ring, deliver, burst } = rig();
  deliver(0, 60, WHOLE, RxTagTaken | 0x3412);
  ring.receive(0, 1);
  assert.equal(burst[2]! & Received.tagged, Received.tagged);
  assert.equal(burst[3], 0x1234);
});

test("frames that the NIC marked bad are counted and dropped, and the next frame is received", () => {
  const { ring, deliver, burst } = rig();
  deliver(0, 60, WHOLE | Rx.errorSummary | Rx.crcError);
  deliver(1, 60, WHOLE | Rx.errorSummary | Rx.runt);
  deliver(2, 61);
  assert.equal(ring.receive(0, 64), 1);
  assert.equal(burst[1], 61);
  assert.equal(ring.counters()[ReceiveCount.errors], 2);
});

test("parts of frames, and frames with an invalid length, are counted and dropped", () => {
  const { ring, deliver, burst } = rig();
  deliver(0, 60, FirstSegment);
  deliver(1, 60, LastSegment);
  deliver(2, -4); // A frame length of 0, which is less than the FCS.
  deliver(3, 2045); // One byte more than the buffer holds.
  deliver(4, 2044);
  assert.equal(ring.receive(0, 64), 1);
  assert.equal(burst[1], 2044);
  assert.equal(ring.counters()[ReceiveCount.nonsense], 4);
});

test("whatever a hostile NIC writes back, every frame handed out is in a buffer of its own", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ opts1: fc.integer(), opts2: fc.integer(), address: fc.integer() }), { maxLength: 64 }),
      (writes) => {
        const { dma, ring, burst, bufferBytes } = rig();
        const words = dma.window.words;
        const base = (ring.iova - IOVA) >> 2;
        const kept = new Set<number>();
        for (const [n, { opts1, opts2, address }] of writes.entries()) {
          const at = base + (n % 8) * 4;
          words[at] = opts1;
          words[at + 1] = opts2;
          words[at + 2] = address;
          const frames = ring.receive(0, 8);
          for (let i = 0; i < frames; i++) {
            const [offset, length] = [burst[i * 4]!, burst[i * 4 + 1]!];
            assert.ok(length >= 14 && length + 4 <= bufferBytes);
            assert.ok(offset >= 0 && offset + bufferBytes <= dma.window.bytes.length);
            assert.ok(!kept.has(offset), "one buffer was handed out twice");
            kept.add(offset);
            burst[i * 4] = NO_BUFFER;
          }
          if (kept.size <= 4) continue;
          for (const [i, offset] of [...kept].entries()) burst[i * 4] = offset;
          kept.clear();
        }
      },
    ),
  );
});

test("a NIC that returns invalid descriptors as fast as they are rejected does not keep `receive` running", () => {
  const { dma, ring, deliver, slots } = rig();
  const { words } = dma.window;
  const store = Atomics.store;
  Atomics.store = ((memory: Int32Array, at: number, value: number) => {
    store(memory, at, memory === words && value < 0 ? FirstSegment | (value & EndOfRing) : value);
  }) as typeof Atomics.store;
  try {
    for (let slot = 0; slot < slots; slot++) deliver(slot, 60, WHOLE | Rx.errorSummary | Rx.runt);
    assert.equal(ring.receive(0, 64), 0);
    assert.ok(ring.counters()[ReceiveCount.nonsense]! <= 2 * slots);
  } finally {
    Atomics.store = store;
  }
});

test("arming the ring writes only its own descriptors", () => {
  const { dma, ring, slots } = rig();
  const { words } = dma.window;
  const base = (ring.iova - IOVA) >> 2;
  words.fill(0x5a5a);
  ring.arm();
  words.fill(0x5a5a, base, base + slots * 4);
  assert.ok(words.every((word) => word === 0x5a5a));
});

test("a number of descriptors that is not a power of two in the range of the ring is rejected", () => {
  for (const slots of [0, -8, 6, 8.5, 64.25, 1 << 17, 2 ** 32, 2 ** 32 + 8, NaN, Infinity])
    assert.throws(() => rig({ slots }), { code: "OUT_OF_RANGE", hint: /power of two/ }, `${slots}`);
});
