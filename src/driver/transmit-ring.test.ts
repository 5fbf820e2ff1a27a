/** The transmit ring against a simulated device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EndOfRing, FirstSegment, LastSegment, Own, TxInsertTag, TxV2 } from "#chip/descriptors.ts";
import { DmaArena } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Send } from "#kit/link.ts";
import { type TransmitRingOptions, TransmitCount, createTransmitRing } from "./transmit-ring.ts";

const IOVA = 0x2_4000_0000;

const rig = (options: Partial<TransmitRingOptions> = {}) => {
  const { slots = 8, weaklyOrdered = false } = options;
  const dma = new DmaArena(new ArrayBuffer(1 << 20), IOVA);
  let doorbells = 0;
  const doorbell = (): void => void doorbells++;
  const ring = createTransmitRing(dma, new DisposableStack(), { ...options, slots, doorbell, weaklyOrdered });
  ring.clear();
  const words = dma.window.words;
  const base = (ring.iova - IOVA) >> 2;
  return {
    ring,
    slots,
    words,
    base,
    bytes: dma.window.bytes,
    /** The address of a slot's fragment. */
    place: (slot: number): number => (words[base + slot * 4 + 2]! - IOVA) | 0,
    word: (slot: number, i: number): number => words[base + slot * 4 + i]!,
    /** Does what the device does when it has sent a fragment. */
    finish: (slot: number): void => void (words[base + slot * 4]! &= ~Own),
    doorbells: () => doorbells,
    offsets: new Int32Array(64),
  };
};

for (const weaklyOrdered of [false, true])
  test(`a frame in one fragment is one descriptor with OWN, FS, LS and its length (weakly ordered: ${weaklyOrdered})`, () => {
    const { ring, word, doorbells } = rig({ weaklyOrdered });
    assert.equal(ring.transmit(Int32Array.of(4096, 60, 0, 0), 1), 1);
    assert.equal(word(0, 0), Own | FirstSegment | LastSegment | 60);
    assert.equal(word(0, 1), 0);
    assert.equal(word(0, 2) >>> 0, 0x4000_1000);
    assert.equal(word(0, 3), 2);
    assert.equal(doorbells(), 1);
  });

test("clearing the ring takes back its own descriptors and writes nothing else", () => {
  const { ring, words, base, slots } = rig();
  words.fill(-1);
  ring.clear();
  const cleared = (slot: number): number[] => [slot === slots - 1 ? EndOfRing : 0, 0, 0, 2];
  assert.deepEqual(
    [...words.subarray(base, base + slots * 4)],
    Array.from({ length: slots }, (_, slot) => cleared(slot)).flat(),
  );
  words.fill(-1, base, base + slots * 4);
  assert.ok(words.every((word) => word === -1));
});

test("counts bytes beyond what a 32-bit word holds, and keeps the counts when it is cleared", () => {
  const { ring, finish, slots, offsets } = rig();
  const frames = 80_000;
  for (let n = 0; n < frames; n++) {
    ring.transmit(Int32Array.of(4096, 65_535, 0, 0), 1);
    finish(n % slots);
    assert.equal(ring.reclaim(offsets, 1), 1);
  }
  ring.clear();
  assert.equal(ring.counters()[TransmitCount.frames], frames);
  assert.equal(ring.counters()[TransmitCount.bytes], frames * 65_535);
  assert.equal(ring.counters()[TransmitCount.doorbells], frames);
});

test("a burst rings the doorbell once", () => {
  const { ring, doorbells } = rig();
  assert.equal(ring.transmit(Int32Array.of(0, 60, 0, 0, 64, 61, 0, 0, 128, 62, 0, 0), 3), 3);
  assert.equal(doorbells(), 1);
});

test("the last descriptor of the ring is marked as its end", () => {
  const { ring, word, finish, offsets } = rig({ slots: 2 });
  ring.transmit(Int32Array.of(0, 60, 0, 0, 64, 60, 0, 0), 2);
  assert.equal(word(0, 0) & EndOfRing, 0);
  assert.equal(word(1, 0) & EndOfRing, EndOfRing);
  finish(0);
  finish(1);
  assert.equal(ring.reclaim(offsets, 8), 2);
});

test("accepts what fits and returns the number", () => {
  const { ring, slots, finish, offsets } = rig();
  const burst = new Int32Array(12 * 4);
  for (let i = 0; i < 12; i++) burst.set([i * 64, 60, 0, 0], i * 4);
  assert.equal(ring.transmit(burst, 12), slots);
  assert.equal(ring.transmit(burst, 12), 0);
  finish(0);
  assert.equal(ring.reclaim(offsets, 64), 1);
  assert.equal(offsets[0], 0);
  assert.equal(ring.transmit(burst, 12), 1);
});

test("the fragments of a frame: FS on the first, LS on the last, options on all", () => {
  const { ring, word } = rig();
  const flags = 1448 | (34 << Send.transportOffsetShift) | Send.tcpChecksum;
  const burst = Int32Array.of(0, 1000, flags | Send.more, 0, 1024, 500, flags | Send.more, 0, 2048, 200, flags, 0);
  assert.equal(ring.transmit(burst, 3), 3);
  const options = TxV2.segment4 | (34 << TxV2.segmentOffsetShift);
  assert.equal(word(0, 0), Own | FirstSegment | options | 1000);
  assert.equal(word(1, 0), Own | options | 500);
  assert.equal(word(2, 0), Own | LastSegment | options | 200);
  for (const slot of [0, 1, 2]) assert.equal(word(slot, 1), 1448 << TxV2.segmentSizeShift);
  assert.equal(ring.counters()[TransmitCount.superFrames], 1);
  assert.equal(ring.counters()[TransmitCount.scattered], 1);
});

test("never sends a part of a frame", () => {
  const { ring, doorbells } = rig({ slots: 4 });
  const burst = Int32Array.of(0, 60, 0, 0, 64, 60, 0, 0, 128, 60, Send.more, 0, 192, 60, Send.more, 0, 256, 60, 0, 0);
  assert.equal(ring.transmit(burst, 5), 2, "three more fragments do not fit");
  assert.equal(ring.transmit(Int32Array.of(128, 60, Send.more, 0), 1), 0, "a frame without its end");
  assert.equal(doorbells(), 1);
});

test("rejects a frame of more fragments than the ring has descriptors", () => {
  const { ring } = rig({ slots: 2 });
  const burst = Int32Array.of(0, 60, Send.more, 0, 64, 60, Send.more, 0, 128, 60, 0, 0);
  assert.throws(() => ring.transmit(burst, 3), OutOfRange);
});

test("rejects a frame of more fragments than the chip supports", () => {
  const { ring } = rig({ frameDescriptors: 2 });
  const burst = Int32Array.of(0, 60, Send.more, 0, 64, 60, Send.more, 0, 128, 60, 0, 0);
  assert.throws(() => ring.transmit(burst, 3), OutOfRange);
  burst[6] = 0;
  assert.equal(ring.transmit(burst, 2), 2);
});

/** Frames below 60 bytes are padded to 60. */
const padding = { below: 60, wanted: () => 60 };

test("a short frame is sent from a zero-padded copy, and its own buffer is returned", () => {
  const { ring, word, place, bytes, finish, offsets } = rig({ padding, slots: 2 });
  bytes.fill(0xee, 4096, 4096 + 128);
  const sends = [
    { slot: 0, length: 59, flags: 0 },
    { slot: 1, length: 59, flags: Send.tag },
    // The slot held a longer frame before.
    { slot: 0, length: 42, flags: Send.tag },
    { slot: 1, length: 14, flags: 0 },
  ];
  for (const { slot, length, flags } of sends) {
    assert.equal(ring.transmit(Int32Array.of(4096, length, flags, 7), 1), 1);
    assert.equal(word(slot, 0) & ~EndOfRing, Own | FirstSegment | LastSegment | 60);
    const sent = bytes.subarray(place(slot), place(slot) + 60);
    assert.ok(sent.subarray(0, length).every((byte) => byte === 0xee));
    assert.ok(sent.subarray(length).every((byte) => byte === 0));
    finish(slot);
    assert.equal(ring.reclaim(offsets, 8), 1);
    assert.equal(offsets[0], 4096);
  }
  assert.equal(ring.counters()[TransmitCount.bytes], 240);
  assert.ok(
    bytes.subarray(4096, 4096 + 128).every((byte) => byte === 0xee),
    "the caller's memory is unchanged",
  );
});

test("the last fragment of a short frame in several fragments is sent from a copy", () => {
  const { ring, word, place, bytes } = rig({ padding });
  bytes.fill(0xee, 4096, 8192);
  const burst = Int32Array.of(4096, 20, Send.more, 0, 5000, 10, Send.more, 0, 6000, 12, 0, 0);
  assert.equal(ring.transmit(burst, 3), 3);
  assert.deepEqual([place(0), place(1)], [4096, 5000]);
  assert.equal(word(2, 0), Own | LastSegment | (12 + 60 - 42));
  const last = bytes.subarray(place(2), place(2) + 30);
  assert.deepEqual([...last], [...Array<number>(12).fill(0xee), ...Array<number>(18).fill(0)]);
});

test("frames of 60 bytes or more are sent in place, in one fragment or several", () => {
  const { ring, word, place } = rig({ padding });
  const burst = Int32Array.of(4096, 60, 0, 0, 5000, 59, Send.more, 0, 6000, 1, 0, 0);
  assert.equal(ring.transmit(burst, 3), 3);
  assert.deepEqual([place(0), place(1), place(2)], [4096, 5000, 6000]);
  assert.deepEqual(
    [0, 1, 2].map((slot) => word(slot, 0) & 0xffff),
    [60, 59, 1],
  );
});

test("rejects fragments outside the window also if it would copy them", () => {
  const { ring, doorbells } = rig({ padding });
  for (const burst of [
    Int32Array.of(0, -4, 0, 0),
    Int32Array.of(-1, 20, 0, 0),
    Int32Array.of(0, 1000, Send.more, 0, 0, -950, 0, 0),
    Int32Array.of(0, 10, Send.more, 0, (1 << 20) - 9, 10, 0, 0),
  ])
    assert.throws(() => ring.transmit(burst, burst.length / 4), OutOfRange);
  assert.equal(doorbells(), 0);
});

const offloads: readonly [string, number, number, number][] = [
  ["a TCP checksum over IPv4", Send.tcpChecksum, 0, TxV2.ipv4Checksum | TxV2.tcpChecksum],
  ["a UDP checksum over IPv4", Send.udpChecksum, 0, TxV2.ipv4Checksum | TxV2.udpChecksum],
  ["a TCP checksum over IPv6", Send.tcpChecksum | Send.ipv6, 0, TxV2.ipv6Checksum | TxV2.tcpChecksum],
  ["a UDP checksum over IPv6", Send.udpChecksum | Send.ipv6, 0, TxV2.ipv6Checksum | TxV2.udpChecksum],
];
for (const [what, flags, , expected] of offloads)
  test(`requests ${what}`, () => {
    const { ring, word } = rig();
    const transport = (flags & Send.ipv6) !== 0 ? 54 : 34;
    ring.transmit(Int32Array.of(0, 100, flags | (transport << Send.transportOffsetShift), 0), 1);
    assert.equal(word(0, 0), Own | FirstSegment | LastSegment | 100);
    assert.equal(word(0, 1), expected | (transport << TxV2.checksumOffsetShift));
  });

test("requests a tag, with its bytes swapped", () => {
  const { ring, word } = rig();
  ring.transmit(Int32Array.of(0, 100, Send.tag, 0x1234), 1);
  assert.equal(word(0, 1), TxInsertTag | 0x3412);
  assert.equal(ring.counters()[TransmitCount.scattered], 0);
});

test("requests IPv6 segmentation", () => {
  const { ring, word } = rig();
  const flags = 1428 | (54 << Send.transportOffsetShift) | Send.tcpChecksum | Send.ipv6;
  ring.transmit(Int32Array.of(0, 20000, flags, 0), 1);
  assert.equal(word(0, 0), Own | FirstSegment | LastSegment | TxV2.segment6 | (54 << TxV2.segmentOffsetShift) | 20000);
});

test("rejects fragments outside the window, empty ones and ones that are too long", () => {
  const { ring } = rig();
  for (const [offset, length] of [
    [-1, 60],
    [(1 << 20) - 59, 60],
    [0, 0],
    [0, 65_536],
  ] as const)
    assert.throws(() => ring.transmit(Int32Array.of(offset, length, 0, 0), 1), OutOfRange);
});

test("rings the doorbell again if frames are still pending after a reclaim", () => {
  const { ring, finish, doorbells, offsets } = rig();
  ring.transmit(Int32Array.of(0, 60, 0, 0, 64, 60, 0, 0), 2);
  finish(0);
  assert.equal(ring.reclaim(offsets, 64), 1);
  assert.equal(doorbells(), 2);
});

test("in any order of sending and completion, fragments are returned once, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant("send"), fc.constant("finish"), fc.constant("reclaim"))), (steps) => {
      const { ring, finish, slots, offsets } = rig();
      let sent = 0;
      let finished = 0;
      let back = 0;
      for (const step of steps) {
        if (step === "send") sent += ring.transmit(Int32Array.of(sent * 64, 60, 0, 0), 1);
        else if (step === "finish" && finished < sent) finish(finished++ % slots);
        else if (step === "reclaim") {
          const n = ring.reclaim(offsets, 64);
          for (let i = 0; i < n; i++) assert.equal(offsets[i], back++ * 64);
          assert.equal(back, finished);
        }
        assert.equal(ring.pending(), sent - back);
        assert.ok(sent - back <= slots);
      }
    }),
  );
});
