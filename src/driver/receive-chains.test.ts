/**
 * Frames in several buffers, damaged frames and timestamps. The test writes the words that a device would write to memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FirstSegment, LastSegment, Rx, RxTagTaken } from "#chip/descriptors.ts";
import { StampV3 } from "#chip/descriptors-8125.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FRAME_WORDS, NO_BUFFER, Received } from "#kit/link.ts";
import { RECEIVE_8169, RECEIVE_HASHED, RECEIVE_STAMPED } from "./descriptor-formats.ts";
import { BUFFER, FCS, IOVA, rig } from "./receive-chains.test-kit.ts";
import { ReceiveCount } from "./receive-core.ts";

for (const countsLastPiece of [false, true])
  test(`a frame in several buffers is handed out whole, whether its last descriptor reports the frame's length or its last piece's (${countsLastPiece ? "piece" : "frame"})`, () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 60, max: 4 * BUFFER - FCS }), { minLength: 1, maxLength: 40 }),
        (lengths) => {
          const { ring, deliver, receive, give, own, slots } = rig({ countsLastPiece });
          let slot = 0;
          for (const length of lengths) {
            slot += deliver(slot, length);
            assert.ok(ring.waiting());
            const entries = receive();
            assert.equal(entries.length, Math.ceil(length / BUFFER), "a buffer with nothing but FCS has no entry");
            assert.deepEqual(
              entries.map(([, bytes]) => bytes),
              entries.map((_, i) => Math.min(BUFFER, length - i * BUFFER)),
            );
            assert.deepEqual(
              entries.map(([, , flags]) => flags! & Received.more),
              entries.map((_, i) => (i < entries.length - 1 ? Received.more : 0)),
            );
            assert.equal(new Set(entries.map(([offset]) => offset)).size, entries.length);
            give(entries);
            for (let i = 0; i < slots; i++) assert.ok(own(i) < 0, "every slot belongs to the NIC again");
          }
          assert.equal(ring.counters()[ReceiveCount.frames], lengths.length);
          assert.equal(
            ring.counters()[ReceiveCount.bytes],
            lengths.reduce((a, b) => a + b),
          );
        },
      ),
    );
  });

test("a frame that the NIC is still writing is not handed out, and `receive` does not wait for it", () => {
  const { ring, write, receive } = rig();
  write(0, FirstSegment | BUFFER);
  assert.equal(ring.waiting(), false);
  assert.deepEqual(receive(), []);
  write(1, LastSegment | 300);
  assert.equal(ring.waiting(), true);
  assert.equal(receive().length, 2);
});

test("checksum result and tag are taken from the last descriptor, and every entry has them", () => {
  const { deliver, receive } = rig();
  deliver(0, 600, Rx.protocolTcp, RxTagTaken | 0x3412);
  const good = Received.ipChecksumGood | Received.tcpChecksumGood | Received.tagged;
  assert.deepEqual(
    receive().map(([, , flags, tag]) => [flags! & ~Received.more, tag]),
    [
      [good, 0x1234],
      [good, 0x1234],
      [good, 0x1234],
    ],
  );
});

const BROKEN: readonly [
  string,
  (write: (slot: number, opts1: number) => void) => void,
  number,
  "errors" | "nonsense",
][] = [
  ["a start without an end", (write) => write(0, FirstSegment | BUFFER), 1, "nonsense"],
  ["an end without a start", (write) => write(0, LastSegment | 100), 1, "nonsense"],
  ["a middle part alone", (write) => write(0, BUFFER), 1, "nonsense"],
  [
    "an error in the last part",
    (write) => {
      write(0, FirstSegment | BUFFER);
      write(1, LastSegment | 300 | Rx.errorSummary | Rx.crcError);
    },
    2,
    "errors",
  ],
  [
    "a length that ends before the last buffer",
    (write) => {
      write(0, FirstSegment | BUFFER);
      write(1, LastSegment | BUFFER);
    },
    2,
    "nonsense",
  ],
  [
    "a length that ends after the last buffer",
    (write) => {
      write(0, FirstSegment | BUFFER);
      write(1, LastSegment | (2 * BUFFER + 1));
    },
    2,
    "nonsense",
  ],
  [
    "more buffers than a frame can have",
    (write) => {
      for (let i = 0; i < 4; i++) write(i, (i === 0 ? FirstSegment : 0) | BUFFER);
    },
    4,
    "nonsense",
  ],
];
for (const [what, act, slots, counter] of BROKEN)
  test(`an invalid frame is counted and dropped, and the next one is received: ${what}`, () => {
    const { ring, write, deliver, receive, own } = rig();
    act(write);
    deliver(slots, 700);
    assert.equal(ring.waiting(), true);
    const entries = receive();
    assert.deepEqual(
      entries.map(([, bytes]) => bytes),
      [256, 256, 188],
    );
    assert.equal(ring.counters()[ReceiveCount[counter]], 1);
    assert.ok(own(0) < 0);
  });

test("if every descriptor is a frame's first, all but the last are dropped in one pass", () => {
  const { ring, write, receive, slots, own } = rig();
  for (let i = 0; i < slots; i++) write(i, FirstSegment | BUFFER);
  assert.deepEqual(receive(), []);
  for (let i = 0; i < slots - 1; i++) assert.ok(own(i) < 0);
  assert.equal(
    ring.counters()[ReceiveCount.nonsense],
    slots - 1,
    "only the frame with the last start may still be continued",
  );
});

test("a frame that does not fit the burst or the spare buffers stays in the ring", () => {
  const { deliver, receive, give } = rig({ spare: 5 });
  deliver(deliver(0, 700), 700);
  assert.equal(receive(5).length, 3);
  assert.equal(receive(4).length, 0, "two spare buffers are too few");
  const exact = rig({ spare: 6 });
  exact.deliver(exact.deliver(0, 700), 700);
  assert.equal(exact.receive(6).length, 6, "both fit exactly");
  const { deliver: put, receive: take } = rig();
  put(0, 700);
  assert.throws(() => take(2), { code: "OUT_OF_RANGE", message: "a frame of 3 buffers does not fit a burst of 2" });
  assert.equal(take(3).length, 3);
  give([]);
});

test("a frame for which there are too few spare buffers takes none of them", () => {
  const { ring, burst, deliver, receive, give } = rig({ spare: 6 });
  deliver(0, 900);
  const held = receive();
  assert.equal(held.length, 4);
  deliver(4, 700);
  assert.deepEqual(receive(), []);
  assert.equal(burst[0], NO_BUFFER);
  assert.equal(ring.core.state[1], 2, "both spare buffers are still on the stack");
  give(held);
  assert.equal(receive().length, 3);
});

test("a ring that could not hold one frame of the largest size is rejected", () => {
  for (const wrong of [{ slots: 2 }, { spare: 3 }]) assert.throws(() => rig(wrong), OutOfRange);
});

test("damaged frames are received on request and are marked, but frames with an unreliable length are dropped", () => {
  const { ring, deliver, receive } = rig();
  const arrive = () => {
    let slot = ring.core.state[0]!;
    slot += deliver(slot, 100, Rx.errorSummary | Rx.crcError);
    slot += deliver(slot, 40, Rx.errorSummary | Rx.runt);
    slot += deliver(slot, 600, Rx.errorSummary | Rx.crcError);
    slot += deliver(slot, 100, Rx.errorSummary | Rx.watchdog | Rx.crcError);
    slot += deliver(slot, 100, Rx.errorSummary);
    return receive().map(([, length, flags]) => [length, flags]);
  };
  assert.deepEqual(arrive(), []);
  ring.accept({ damaged: true });
  const { damaged, more } = Received;
  const three = [256, 256, 88].map((length, i) => [length, damaged | (i < 2 ? more : 0)]);
  assert.deepEqual(arrive(), [[100, damaged], [40, damaged], ...three]);
  assert.equal(ring.counters()[ReceiveCount.errors], 10, "damaged frames still count as errors");
  ring.accept({ damaged: false });
  assert.deepEqual(arrive(), []);
});

test("frames are handed out with their FCS on request", () => {
  const { ring, deliver, receive } = rig();
  ring.accept({ fcs: true });
  deliver(deliver(0, 100), BUFFER);
  assert.deepEqual(
    receive().map(([, length]) => length),
    [104, BUFFER, 4],
  );
  assert.equal(ring.counters()[ReceiveCount.bytes], 104 + BUFFER + 4);
});

test("a timestamp follows its frame; the frame waits until it is there, and is dropped if another descriptor is in its place", () => {
  const { ring, words, at, own, write, deliver, receive, give } = rig({ format: RECEIVE_STAMPED });
  const stamp = (slot: number, kind: number = StampV3.stamp): void => {
    words[at(slot) + StampV3.nanoseconds] = 999_999_999;
    words[at(slot) + StampV3.seconds] = -1;
    words[at(slot) + StampV3.secondsHigh] = 1;
    write(slot, kind, 1);
  };
  // A frame in two buffers, and its timestamp.
  deliver(0, 300, StampV3.followed);
  assert.equal(ring.waiting(), false);
  assert.deepEqual(receive(), []);
  stamp(2);
  assert.ok(ring.waiting());
  const entries = receive();
  assert.deepEqual(
    entries.map(([, length, flags]) => [length, flags]),
    [
      [256, Received.stamped | Received.more],
      [44, Received.stamped],
    ],
  );
  assert.equal(ring.times![0], (2n ** 33n - 1n) * 1_000_000_000n + 999_999_999n);
  give(entries);
  assert.equal(words[at(2) + StampV3.nanoseconds], ((ring.core.held[2]! + IOVA) % 2 ** 32) | 0, "the buffer's address");
  for (const kind of [0, StampV3.followed, 3 << 26]) {
    const slot = ring.core.state[0]! % 8;
    deliver(slot, 60, StampV3.followed);
    stamp(slot + 1, kind);
    const before = ring.counters()[ReceiveCount.nonsense]!;
    assert.deepEqual(receive(), []);
    assert.equal(ring.counters()[ReceiveCount.nonsense], before + 1);
  }
  // The latest time that fits a signed 64-bit number; the next time, which does not fit; and all ones.
  for (const [nanoseconds, high, expected] of [
    // The upper two bits of the word do not belong to the nanoseconds, and are ignored.
    [0xc000_0000 | 854_775_807, 2, 2n ** 63n - 1n],
    [854_775_808, 2, undefined],
    [-1, -1, undefined],
  ] as const) {
    const slot = ring.core.state[0]! % 8;
    deliver(slot, 60, StampV3.followed);
    words[at(slot + 1) + StampV3.nanoseconds] = nanoseconds;
    words[at(slot + 1) + StampV3.seconds] = 9_223_372_036 % 2 ** 32;
    write(slot + 1, StampV3.stamp, high);
    const entry = receive();
    assert.deepEqual(
      entry.map(([, length, flags]) => [length, flags]),
      [[60, expected === undefined ? 0 : Received.stamped]],
    );
    if (expected !== undefined) assert.equal(ring.times![0], expected);
    give(entry);
  }
  // A timestamp without a frame.
  write(ring.core.state[0]!, StampV3.stamp);
  assert.deepEqual(receive(), []);
  for (let slot = 0; slot < 8; slot++) assert.ok(own(slot) < 0, "every slot belongs to the NIC again");
});

for (const [name, format] of [
  ["classic", RECEIVE_8169],
  ["format 2", RECEIVE_HASHED[2]],
  ["format 3", RECEIVE_HASHED[3]],
  ["format 3 with timestamps", RECEIVE_STAMPED],
  ["format 4", RECEIVE_HASHED[4]],
] as const)
  test(`${name}: whatever a hostile NIC writes back, each entry is in a buffer of its own, and no buffer is lost`, () => {
    const word = fc.oneof(
      fc.integer(),
      fc.integer({ min: 0, max: 4 * BUFFER }).map((n) => n | format.first | format.last),
      fc.integer({ min: 0, max: BUFFER }),
      fc.constant(BUFFER | format.first),
    );
    fc.assert(
      fc.property(
        fc.array(fc.tuple(word, fc.integer(), fc.integer()), { maxLength: 64 }),
        fc.boolean(),
        fc.boolean(),
        (writes, countsLastPiece, damaged) => {
          const { ring, burst, words, at, write, deliver, receive, give, slots, own } = rig({
            format,
            countsLastPiece,
          });
          ring.accept({ damaged });
          const first = ring.core.held[0]!;
          const taken: Int32Array[] = [];
          for (const [n, [opts1, opts2, address]] of writes.entries()) {
            words[at(n) + format.address] = address;
            write(n, opts1, opts2);
            for (const entry of receive()) {
              const [offset, length] = entry;
              assert.ok(length! > 0 && length! <= BUFFER);
              assert.ok((offset! - first) % BUFFER === 0 && offset! >= first && offset! < first + 24 * BUFFER);
              taken.push(entry);
            }
            if (taken.length > 8) give(taken.splice(0));
          }
          give(taken);
          // The ring may still have parts of a frame without an end, and descriptors that were written out of order.
          // From here on the NIC writes whole frames. The first of these may be dropped, because an earlier frame that
          // waits for its timestamp takes the next descriptor for that timestamp.
          let entries: readonly Int32Array[] = [];
          for (let frames = 0; frames < 2 && entries.length === 0; frames++) {
            let slot = ring.core.state[0]!;
            while (own(slot) >= 0) slot++;
            deliver(slot, 700);
            entries = receive();
          }
          assert.match(entries.map(([, length]) => length).join(), /256,256,188/);
          give(entries);
          const { held, free, state } = ring.core;
          const inEntries = burst.filter((offset, at) => at % FRAME_WORDS === 0 && offset !== NO_BUFFER);
          const all = [...held, ...free.subarray(0, state[1]), ...inEntries];
          assert.equal(all.length, slots + 16);
          assert.equal(new Set(all).size, slots + 16, "every buffer exactly once");
        },
      ),
    );
  });
