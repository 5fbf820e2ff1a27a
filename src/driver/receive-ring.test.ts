/** The receive ring against a simulated device: words in memory only. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EndOfRing, FirstSegment, LastSegment, OPTS1, OPTS2, Own, Rx, RxTagTaken } from "#chip/descriptors.ts";
import { DmaArena } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FRAME_WORDS, Received } from "#kit/link.ts";
import { ReceiveCount } from "./receive-core.ts";
import { type ReceiveRingOptions, createReceiveRing } from "./receive-ring.ts";

const IOVA = 0x2_4000_0000;
const WHOLE = FirstSegment | LastSegment;

const rig = (options: Partial<ReceiveRingOptions> = {}) => {
  const { slots = 8, bufferBytes = 2048, spare = 8, weaklyOrdered = false, checked = false } = options;
  const dma = new DmaArena(new ArrayBuffer(1 << 20), IOVA);
  const ring = createReceiveRing(dma, new DisposableStack(), { slots, bufferBytes, spare, weaklyOrdered, checked });
  ring.arm();
  const words = dma.window.words;
  const base = (ring.iova - IOVA) >> 2;
  const word = (slot: number, i: number): number => words[base + slot * 4 + i]!;
  /** Does what the device does: writes a frame of `length` bytes without FCS into `slot`. */
  const deliver = (slot: number, length: number, bits = WHOLE, opts2 = 0): void => {
    words[base + slot * 4 + OPTS2] = opts2;
    words[base + slot * 4 + OPTS1] = (word(slot, OPTS1) & EndOfRing) | bits | (length + 4);
  };
  const burst = new Int32Array(64 * FRAME_WORDS);
  return { dma, ring, word, deliver, burst, slots, bufferBytes };
};

for (const weaklyOrdered of [false, true]) {
  const cpu = weaklyOrdered ? "a weakly ordered CPU" : "x86";

  test(`gives every descriptor to the NIC, the last one marked as the end (${cpu})`, () => {
    const { word, slots, bufferBytes } = rig({ weaklyOrdered });
    for (let slot = 0; slot < slots; slot++) {
      assert.equal(word(slot, OPTS1), Own | bufferBytes | (slot === slots - 1 ? EndOfRing : 0));
      assert.equal(word(slot, 3), 2, "high half of the address");
    }
  });

  test(`hands out a frame without its FCS and gives the slot another buffer at once (${cpu})`, () => {
    const { ring, word, deliver, burst } = rig({ weaklyOrdered });
    const before = word(0, 2);
    deliver(0, 60);
    assert.equal(ring.receive(burst, 64), 1);
    assert.equal(burst[1], 60);
    assert.equal(burst[0]! + IOVA, (before >>> 0) + 2 * 2 ** 32);
    assert.notEqual(word(0, 2), before);
    assert.ok(word(0, OPTS1) < 0, "the slot belongs to the NIC again");
  });
}

test("stops at the first descriptor that the NIC still owns", () => {
  const { ring, deliver, burst } = rig();
  deliver(0, 60);
  deliver(2, 60);
  assert.equal(ring.receive(burst, 64), 1);
});

test("takes no more than its budget", () => {
  const { ring, deliver, burst } = rig();
  for (let slot = 0; slot < 5; slot++) deliver(slot, 60);
  assert.equal(ring.receive(burst, 3), 3);
  assert.ok(ring.waiting());
  assert.equal(ring.receive(burst, 3), 2);
  assert.ok(!ring.waiting());
});

test("counts bytes beyond what a 32-bit word holds", () => {
  const { ring, deliver, burst } = rig({ slots: 1, spare: 1, bufferBytes: 16_376 });
  const frames = 300_000;
  for (let n = 0; n < frames; n++) {
    deliver(0, 16_000);
    assert.equal(ring.receive(burst, 1), 1);
    ring.release(burst, 1);
  }
  assert.equal(ring.counters()[ReceiveCount.frames], frames);
  assert.equal(ring.counters()[ReceiveCount.bytes], frames * 16_000);
});

test("wraps around the ring", () => {
  const { ring, deliver, burst } = rig();
  const offsets = new Int32Array(1);
  for (let n = 0; n < 50; n++) {
    deliver(n % 8, 60 + n);
    assert.equal(ring.receive(burst, 64), 1);
    assert.equal(burst[1], 60 + n);
    offsets[0] = burst[0]!;
    ring.release(offsets, 1);
  }
});

test("leaves frames with the NIC when the host holds every spare buffer", () => {
  const { ring, deliver, burst } = rig({ spare: 2 });
  for (let slot = 0; slot < 4; slot++) deliver(slot, 60);
  assert.equal(ring.receive(burst, 64), 2);
  assert.equal(ring.receive(burst, 64), 0);
  ring.release(Int32Array.of(burst[0]!, burst[4]!), 2);
  assert.equal(ring.receive(burst, 64), 2);
});

test("rejects buffers that were never handed out", () => {
  const { ring } = rig();
  assert.throws(() => ring.release(Int32Array.of(0), 1), OutOfRange);
});

for (const checked of [false, true])
  test(`rejects an offset outside its buffers, and then takes none of the buffers back${checked ? " (checked)" : ""}`, () => {
    const { ring, deliver, burst } = rig({ checked });
    for (let slot = 0; slot < 2; slot++) deliver(slot, 60);
    assert.equal(ring.receive(burst, 64), 2);
    const [one, two] = [burst[0]!, burst[4]!];
    const { held } = ring.core;
    const pool = Math.min(...held, one, two);
    for (const wrong of [pool - 8, pool + 16 * 2048, -1, 0x7fff_ffff, -0x8000_0000])
      assert.throws(() => ring.release(Int32Array.of(one, wrong), 2), { code: checked ? "MISUSE" : "OUT_OF_RANGE" });
    ring.release(Int32Array.of(two, one), 2);
    assert.throws(() => ring.release(Int32Array.of(one), 1), { code: checked ? "MISUSE" : "OUT_OF_RANGE" });
  });

test("when checked, rejects a buffer that is released twice, or by an offset inside it", () => {
  const { ring, deliver, burst } = rig({ checked: true });
  for (let slot = 0; slot < 2; slot++) deliver(slot, 60);
  ring.receive(burst, 64);
  const [one, two] = [burst[0]!, burst[4]!];
  for (const wrong of [
    [one, one],
    [one + 8, two],
    [one, ring.core.held[0]!],
  ])
    assert.throws(() => ring.release(Int32Array.from(wrong), 2), { code: "MISUSE" });
  ring.release(Int32Array.of(one, two), 2);
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
  test(`passes on the NIC's checksum results: ${what}`, () => {
    const { ring, deliver, burst } = rig();
    deliver(0, 60, WHOLE | bits);
    ring.receive(burst, 1);
    assert.equal(burst[2], expected);
  });

test("swaps the bytes of a tag", () => {
  const { ring, deliver, burst } = rig();
  deliver(0, 60, WHOLE, RxTagTaken | 0x3412);
  ring.receive(burst, 1);
  assert.equal(burst[2]! & Received.tagged, Received.tagged);
  assert.equal(burst[3], 0x1234);
});

test("counts and drops frames that the NIC marked bad, and continues after them", () => {
  const { ring, deliver, burst } = rig();
  deliver(0, 60, WHOLE | Rx.errorSummary | Rx.crcError);
  deliver(1, 60, WHOLE | Rx.errorSummary | Rx.runt);
  deliver(2, 61);
  assert.equal(ring.receive(burst, 64), 1);
  assert.equal(burst[1], 61);
  assert.equal(ring.counters()[ReceiveCount.errors], 2);
});

test("counts and drops parts of frames and invalid lengths", () => {
  const { ring, deliver, burst } = rig();
  deliver(0, 60, FirstSegment);
  deliver(1, 60, LastSegment);
  deliver(2, -4); // A length of 0: less than the FCS.
  deliver(3, 2045); // One byte more than the buffer holds.
  deliver(4, 2044);
  assert.equal(ring.receive(burst, 64), 1);
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
        const held = new Set<number>();
        const offsets = new Int32Array(64);
        for (const [n, { opts1, opts2, address }] of writes.entries()) {
          const at = base + (n % 8) * 4;
          words[at] = opts1;
          words[at + 1] = opts2;
          words[at + 2] = address;
          const frames = ring.receive(burst, 8);
          for (let i = 0; i < frames; i++) {
            const [offset, length] = [burst[i * 4]!, burst[i * 4 + 1]!];
            assert.ok(length >= 14 && length + 4 <= bufferBytes);
            assert.ok(offset >= 0 && offset + bufferBytes <= dma.window.bytes.length);
            assert.ok(!held.has(offset), "one buffer was handed out twice");
            held.add(offset);
          }
          if (held.size > 4) {
            let k = 0;
            for (const offset of held) offsets[k++] = offset;
            ring.release(offsets, k);
            held.clear();
          }
        }
      },
    ),
  );
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
