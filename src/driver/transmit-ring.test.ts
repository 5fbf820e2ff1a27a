/** The transmit ring against a simulated device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EndOfRing, FirstSegment, LastSegment, Own, TxInsertTag, TxV2 } from "#chip/descriptors.ts";
import { DmaArena } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FRAME_WORDS, LINK_ENTRIES, NO_BUFFER, Send, emptyBurst } from "#kit/link.ts";
import { TRANSMIT_V1 } from "./descriptor-formats.ts";
import { type TransmitRingOptions, TransmitCount, createTransmitRing } from "./transmit-ring.ts";

const IOVA = 0x2_4000_0000;

const rig = (options: Partial<TransmitRingOptions> = {}) => {
  const { slots = 8, weaklyOrdered = false } = options;
  const dma = new DmaArena(new ArrayBuffer(1 << 20), IOVA);
  let doorbells = 0;
  const doorbell = (): void => void doorbells++;
  const burst = emptyBurst();
  const ring = createTransmitRing(dma, new DisposableStack(), { ...options, slots, doorbell, weaklyOrdered, burst });
  ring.clear();
  const words = dma.window.words;
  const base = (ring.iova - IOVA) >> 2;
  return {
    ring,
    slots,
    words,
    base,
    bytes: dma.window.bytes,
    /** The offset in the window of a slot's fragment. */
    place: (slot: number): number => (words[base + slot * 4 + 2]! - IOVA) | 0,
    word: (slot: number, i: number): number => words[base + slot * 4 + i]!,
    /** Clears the OWN bit of a slot, as the device does when it has sent the fragment. */
    finish: (slot: number): void => void (words[base + slot * 4]! &= ~Own),
    doorbells: () => doorbells,
    burst,
    /** Puts these words into the first entries, and sends those entries. */
    send: (...entries: readonly number[]): number => {
      burst.set(entries);
      return ring.transmit(0, entries.length / FRAME_WORDS);
    },
  };
};

for (const weaklyOrdered of [false, true])
  test(`a frame in one fragment is one descriptor with OWN, FS, LS and its length (weakly ordered: ${weaklyOrdered})`, () => {
    const { word, doorbells, send } = rig({ weaklyOrdered });
    assert.equal(send(4096, 60, 0, 0), 1);
    assert.equal(word(0, 0), Own | FirstSegment | LastSegment | 60);
    assert.equal(word(0, 1), 0);
    assert.equal(word(0, 2) >>> 0, 0x4000_1000);
    assert.equal(word(0, 3), 2);
    assert.equal(doorbells(), 1);
  });

test("clearing the ring takes all of its descriptors back from the NIC and writes nothing else", () => {
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

test("the byte counter holds more than 32 bits, and clearing the ring keeps the counters", () => {
  const { ring, finish, slots, send } = rig();
  const frames = 80_000;
  for (let n = 0; n < frames; n++) {
    send(4096, 65_535, 0, 0);
    finish(n % slots);
    assert.equal(ring.sent(), n + 1);
  }
  ring.clear();
  assert.equal(ring.counters()[TransmitCount.frames], frames);
  assert.equal(ring.counters()[TransmitCount.bytes], frames * 65_535);
  assert.equal(ring.counters()[TransmitCount.doorbells], frames);
});

test("a burst rings the doorbell once", () => {
  const { doorbells, send } = rig();
  assert.equal(send(0, 60, 0, 0, 64, 61, 0, 0, 128, 62, 0, 0), 3);
  assert.equal(doorbells(), 1);
});

test("the last descriptor of the ring is marked as its end", () => {
  const { ring, word, finish, send } = rig({ slots: 2 });
  send(0, 60, 0, 0, 64, 60, 0, 0);
  assert.equal(word(0, 0) & EndOfRing, 0);
  assert.equal(word(1, 0) & EndOfRing, EndOfRing);
  finish(0);
  finish(1);
  assert.equal(ring.sent(), 2);
});

test("`transmit` accepts as many entries as fit into the ring, and returns their number", () => {
  const { ring, slots, finish, burst } = rig();
  for (let i = 0; i < 12; i++) burst.set([i * 64, 60, 0, 0], i * FRAME_WORDS);
  assert.equal(ring.transmit(0, 12), slots);
  assert.equal(ring.transmit(slots, 4), 0);
  finish(0);
  assert.equal(ring.transmit(slots, 4), 1);
  assert.equal(burst[slots * FRAME_WORDS], 0, "the entry gets the fragment that was sent");
  assert.equal(burst[(slots + 1) * FRAME_WORDS], (slots + 1) * 64, "an entry that was not accepted keeps its fragment");
});

test("an entry gets NO_BUFFER if its descriptor is used for the first time, and later the fragment that was last sent with the descriptor", () => {
  const { send, finish, burst } = rig({ slots: 2 });
  for (const [n, back] of [NO_BUFFER, NO_BUFFER, 0, 64, 128].entries()) {
    assert.equal(send(n * 64, 60, 0, 0), 1);
    assert.equal(burst[0], back);
    finish(n % 2);
  }
});

test("rejects entries that the link does not have", () => {
  const { ring } = rig();
  for (const [first, count] of [
    [-1, 1],
    [0, -1],
    [0, LINK_ENTRIES + 1],
    [LINK_ENTRIES, 1],
    [0.5, 1],
    [LINK_ENTRIES - 0.25, 1],
    [0, 1.5],
    [Number.NaN, 1],
    [2 ** 32, 1],
    [0, 2 ** 32],
    [0, Infinity],
  ] as const)
    assert.throws(() => ring.transmit(first, count), OutOfRange);
  assert.equal(ring.transmit(LINK_ENTRIES, 0), 0);
});

test("an invalid frame is rejected once the frames before it are sent", () => {
  const { ring, send, word, doorbells } = rig();
  assert.equal(send(0, 60, 0, 0, -1, 60, 0, 0, 64, 60, 0, 0), 1);
  assert.equal(doorbells(), 1);
  assert.throws(() => ring.transmit(1, 2), OutOfRange);
  assert.equal(ring.transmit(2, 1), 1);
  assert.deepEqual(
    [0, 1, 2].map((slot) => word(slot, 0) < 0),
    [true, true, false],
  );
});

test("a frame with an offload that the format does not have is rejected once the frames before it are sent", () => {
  const { ring, send, word, doorbells } = rig({ format: TRANSMIT_V1 });
  const flags = Send.tcpChecksum | Send.ipv6;
  assert.equal(send(0, 60, 0, 0, 64, 100, flags, 0), 1);
  assert.equal(doorbells(), 1);
  assert.equal(ring.counters()[TransmitCount.frames], 1);
  assert.throws(() => ring.transmit(1, 1), { code: "OUT_OF_RANGE", hint: "Do both in software." });
  assert.deepEqual(
    [0, 1].map((slot) => word(slot, 0) < 0),
    [true, false],
  );
});

test("of a frame's fragments, the first has FS, the last has LS, and all have the offload requests", () => {
  const { ring, word, send } = rig();
  const flags = 1448 | (34 << Send.transportOffsetShift) | Send.tcpChecksum;
  const entries = [0, 1000, flags | Send.more, 0, 1024, 500, flags | Send.more, 0, 2048, 200, flags, 0];
  assert.equal(send(...entries), 3);
  const options = TxV2.segment4 | (34 << TxV2.segmentOffsetShift);
  assert.equal(word(0, 0), Own | FirstSegment | options | 1000);
  assert.equal(word(1, 0), Own | options | 500);
  assert.equal(word(2, 0), Own | LastSegment | options | 200);
  for (const slot of [0, 1, 2]) assert.equal(word(slot, 1), 1448 << TxV2.segmentSizeShift);
  const count = (name: keyof typeof TransmitCount): number => ring.counters()[TransmitCount[name]]!;
  assert.deepEqual([count("frames"), count("bytes"), count("superFrames"), count("scattered")], [1, 1700, 1, 1]);
});

test("a frame is sent only if all of its fragments are given and fit", () => {
  const { doorbells, send } = rig({ slots: 4 });
  const entries = [0, 60, 0, 0, 64, 60, 0, 0, 128, 60, Send.more, 0, 192, 60, Send.more, 0, 256, 60, 0, 0];
  assert.equal(send(...entries), 2, "three more fragments do not fit");
  assert.equal(send(128, 60, Send.more, 0), 0, "a frame without its end is not sent");
  assert.equal(doorbells(), 1);
});

test("rejects a frame of more fragments than the ring has descriptors", () => {
  const { send } = rig({ slots: 2 });
  const entries = [0, 60, Send.more, 0, 64, 60, Send.more, 0, 128, 60, 0, 0];
  assert.throws(() => send(...entries), OutOfRange);
});

test("rejects a frame of more fragments than the chip supports", () => {
  const { send } = rig({ frameDescriptors: 2 });
  const entries = [0, 60, Send.more, 0, 64, 60, Send.more, 0, 128, 60, 0, 0];
  assert.throws(() => send(...entries), OutOfRange);
  entries[6] = 0;
  assert.equal(send(...entries.slice(0, 8)), 2);
});

test("rejects a frame without an end if it already has too many fragments", () => {
  const { send } = rig({ frameDescriptors: 2 });
  assert.equal(send(0, 60, Send.more, 0), 0);
  assert.throws(() => send(0, 60, Send.more, 0, 64, 60, Send.more, 0), OutOfRange);
});

test("a free descriptor with OWN set stops the ring, and is reported as a fragment that is not sent", () => {
  const { ring, words, base, send, finish } = rig({ slots: 2 });
  assert.equal(ring.oldest(), -1);
  words[base]! |= Own;
  assert.equal(send(0, 60, 0, 0), 0);
  assert.equal(ring.oldest(), 0);
  finish(0);
  assert.equal(ring.oldest(), -1);
  assert.equal(send(0, 60, 0, 0), 1);
});

/** Frames below 60 bytes are padded to 60. */
const padding = { below: 60, paddedLength: () => 60 };

test("a short frame is sent from a zero-padded copy, and the caller's buffer is returned", () => {
  const { ring, word, place, bytes, finish, send, burst } = rig({ padding, slots: 2 });
  bytes.fill(0xee, 4096, 4096 + 128);
  const sends = [
    { slot: 0, length: 59, flags: 0 },
    { slot: 1, length: 59, flags: Send.tag },
    // The slot held a longer frame before.
    { slot: 0, length: 42, flags: Send.tag },
    { slot: 1, length: 14, flags: 0 },
  ];
  for (const [n, { slot, length, flags }] of sends.entries()) {
    assert.equal(send(4096, length, flags, 7), 1);
    assert.equal(word(slot, 0) & ~EndOfRing, Own | FirstSegment | LastSegment | 60);
    const sent = bytes.subarray(place(slot), place(slot) + 60);
    assert.ok(sent.subarray(0, length).every((byte) => byte === 0xee));
    assert.ok(sent.subarray(length).every((byte) => byte === 0));
    finish(slot);
    assert.equal(burst[0], n < 2 ? NO_BUFFER : 4096);
  }
  assert.equal(ring.counters()[TransmitCount.bytes], 240);
  assert.ok(
    bytes.subarray(4096, 4096 + 128).every((byte) => byte === 0xee),
    "the caller's memory is unchanged",
  );
});

test("the last fragment of a short frame in several fragments is sent from a copy", () => {
  const { word, place, bytes, send } = rig({ padding });
  bytes.fill(0xee, 4096, 8192);
  const entries = [4096, 20, Send.more, 0, 5000, 10, Send.more, 0, 6000, 12, 0, 0];
  assert.equal(send(...entries), 3);
  assert.deepEqual([place(0), place(1)], [4096, 5000]);
  assert.equal(word(2, 0), Own | LastSegment | (12 + 60 - 42));
  const last = bytes.subarray(place(2), place(2) + 30);
  assert.deepEqual([...last], [...Array<number>(12).fill(0xee), ...Array<number>(18).fill(0)]);
});

test("frames of 60 bytes or more are sent in place, in one fragment or several", () => {
  const { word, place, send } = rig({ padding });
  const entries = [4096, 60, 0, 0, 5000, 59, Send.more, 0, 6000, 1, 0, 0];
  assert.equal(send(...entries), 3);
  assert.deepEqual([place(0), place(1), place(2)], [4096, 5000, 6000]);
  assert.deepEqual(
    [0, 1, 2].map((slot) => word(slot, 0) & 0xffff),
    [60, 59, 1],
  );
});

test("rejects fragments outside the window even if they would be copied for padding", () => {
  const { doorbells, send } = rig({ padding });
  for (const entries of [
    [0, -4, 0, 0],
    [-1, 20, 0, 0],
    [0, 1000, Send.more, 0, 0, -950, 0, 0],
    [0, 10, Send.more, 0, (1 << 20) - 9, 10, 0, 0],
  ])
    assert.throws(() => send(...entries), OutOfRange);
  assert.equal(doorbells(), 0);
});

const offloads: readonly [string, number, number, number][] = [
  ["a TCP checksum over IPv4", Send.tcpChecksum, 0, TxV2.ipv4Checksum | TxV2.tcpChecksum],
  ["a UDP checksum over IPv4", Send.udpChecksum, 0, TxV2.ipv4Checksum | TxV2.udpChecksum],
  ["a TCP checksum over IPv6", Send.tcpChecksum | Send.ipv6, 0, TxV2.ipv6Checksum | TxV2.tcpChecksum],
  ["a UDP checksum over IPv6", Send.udpChecksum | Send.ipv6, 0, TxV2.ipv6Checksum | TxV2.udpChecksum],
];
for (const [what, flags, , expected] of offloads)
  test(`the descriptor requests ${what}`, () => {
    const { word, send } = rig();
    const transport = (flags & Send.ipv6) !== 0 ? 54 : 34;
    send(0, 100, flags | (transport << Send.transportOffsetShift), 0);
    assert.equal(word(0, 0), Own | FirstSegment | LastSegment | 100);
    assert.equal(word(0, 1), expected | (transport << TxV2.checksumOffsetShift));
  });

test("the descriptor requests insertion of a VLAN tag, with its bytes swapped", () => {
  const { ring, word, send } = rig();
  send(0, 100, Send.tag, 0x1234);
  assert.equal(word(0, 1), TxInsertTag | 0x3412);
  assert.equal(ring.counters()[TransmitCount.scattered], 0);
});

test("the descriptor requests segmentation over IPv6", () => {
  const { word, send } = rig();
  const flags = 1428 | (54 << Send.transportOffsetShift) | Send.tcpChecksum | Send.ipv6;
  send(0, 20000, flags, 0);
  assert.equal(word(0, 0), Own | FirstSegment | LastSegment | TxV2.segment6 | (54 << TxV2.segmentOffsetShift) | 20000);
});

test("rejects fragments outside the window, empty ones and ones that are too long", () => {
  const { send } = rig();
  for (const [offset, length] of [
    [-1, 60],
    [(1 << 20) - 59, 60],
    [0, 0],
    [0, 65_536],
  ] as const)
    assert.throws(() => send(offset, length, 0, 0), OutOfRange);
});

test("`sent` rings the doorbell again if some frames were sent, but not all", () => {
  const { ring, finish, doorbells, send } = rig();
  send(0, 60, 0, 0, 64, 60, 0, 0);
  assert.equal(ring.sent(), 0);
  assert.equal(doorbells(), 1);
  finish(0);
  assert.equal(ring.sent(), 1);
  assert.equal(doorbells(), 2);
});

test("in any order of sending and completion, fragments are returned once, in order", () => {
  const steps = fc.array(fc.oneof(fc.constant("send"), fc.constant("finish"), fc.constant("ask")), { maxLength: 100 });
  fc.assert(
    fc.property(steps, (actions) => {
      const { ring, finish, slots, send, burst } = rig();
      let posted = 0;
      let finished = 0;
      for (const action of actions) {
        if (action === "send") {
          const taken = send(posted * 64, 60, 0, 0);
          assert.equal(taken, posted - finished < slots ? 1 : 0);
          if (taken === 1) assert.equal(burst[0], posted < slots ? NO_BUFFER : (posted - slots) * 64);
          posted += taken;
        } else if (action === "finish" && finished < posted) finish(finished++ % slots);
        else if (action === "ask") assert.equal(ring.sent(), finished);
        assert.equal(ring.pending(), posted - finished);
        assert.equal(ring.oldest(), finished === posted ? -1 : finished);
      }
      assert.equal(ring.sent(), finished, "earlier calls of `sent` do not change the result");
    }),
  );
});

test("a number of descriptors that is not a power of two in the range of the ring is rejected", () => {
  for (const slots of [1, -8, 6, 8.5, 64.25, 1 << 17, 2 ** 32, 2 ** 32 + 8, NaN, Infinity])
    assert.throws(() => rig({ slots }), { code: "OUT_OF_RANGE", hint: /power of two/ }, `${slots}`);
});
