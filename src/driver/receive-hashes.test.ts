/**
 * Hashes in receive descriptors, and rings in which the descriptors of several queues alternate. There is no device:
 * the tests write the words that a device would write to memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EndOfRing, FirstSegment, HashedV2, LastSegment, Rx } from "#chip/descriptors.ts";
import { HashedV3, HashedV4, RxV3, RxV3Verdict, RxV4 } from "#chip/descriptors-8125.ts";
import { DmaArena } from "#kit/dma.ts";
import { Received } from "#kit/link.ts";
import { RECEIVE_HASHED, type ReceiveFormat } from "./descriptor-formats.ts";
import { BUFFER, FCS, IOVA, rig } from "./receive-chains.test-kit.ts";
import { ReceiveCount } from "./receive-core.ts";
import { allocateRing, createReceiveRing } from "./receive-ring.ts";

const HASHES: readonly [string, ReceiveFormat, number, number, number][] = [
  ["format 2", RECEIVE_HASHED[2], HashedV2.ipv4, HashedV2.tcp, Rx.protocolTcp],
  ["format 3", RECEIVE_HASHED[3], HashedV3.ipv4, HashedV3.tcp, 0],
  ["format 4", RECEIVE_HASHED[4], HashedV4.ipv6, HashedV4.udp, RxV4.protocolTcp],
];
for (const [name, format, addresses, ports, tcp] of HASHES)
  test(`${name}: each entry has its hash, and the buffer's address is restored`, () => {
    const { ring, words, at, deliver, receive, give, slots } = rig({ format });
    const hash = (slot: number, value: number, header: number): void => {
      words[at(slot) + format.hash!.hash] = value;
      const others = format.hash!.header === format.opts2 ? words[at(slot) + format.opts2]! : 0;
      words[at(slot) + format.hash!.header] = others | header;
    };
    const addressOf = (slot: number): number => words[at(slot) + format.address]! >>> 0;
    const opts2 = format.verdictInOpts2 ? RxV3Verdict.protocolTcp : 0;
    deliver(0, 100, tcp, opts2);
    hash(0, -1234, addresses | ports);
    deliver(1, 300);
    hash(2, 99, addresses);
    deliver(3, 60);
    hash(3, 77, 0);
    const entries = receive();
    assert.deepEqual(
      entries.map(([, length, flags]) => [length, flags]),
      [
        [100, Received.ipChecksumGood | Received.tcpChecksumGood | Received.hashed | Received.hashedPorts],
        [256, Received.hashed | Received.more],
        [44, Received.hashed],
        [60, 0],
      ],
    );
    assert.deepEqual([...ring.hashes!.subarray(0, 4)], [-1234, 99, 99, 0]);
    for (let slot = 0; slot < slots; slot++) {
      assert.equal(addressOf(slot), ((ring.core.held[slot]! + IOVA) % 2 ** 32) >>> 0);
      assert.equal(words[at(slot) + format.address + 1], 2);
    }
    // Entries that have a buffer are filled by the ring's loop, the others by `receive-chains.ts`.
    give(entries);
    deliver(4, 100);
    hash(4, 66, addresses);
    assert.equal(receive().length, 1);
    assert.equal(words[at(4) + format.address + 1], 2);
    ring.accept({ damaged: true });
    deliver(5, 100, format.bad & ~format.watchdog);
    hash(5, 55, addresses);
    assert.deepEqual(
      receive().map(([, , flags]) => flags),
      [Received.damaged],
    );
    assert.equal(ring.hashes![0], 0, "the entry does not have the hash of an earlier frame");
  });

test("format 2: while the NIC has not written the hash, the frame has no hash, and not that of an earlier frame", () => {
  const format = RECEIVE_HASHED[2];
  const { ring, words, at, deliver, receive, slots } = rig({ format });
  const hash = (slot: number): number => words[at(slot) + format.hash!.hash]!;
  for (let slot = 0; slot < slots; slot++) {
    deliver(slot, 100, 0, HashedV2.ipv4);
    words[at(slot) + format.hash!.hash] = 7;
  }
  // Without FirstSegment the descriptor is only a part of a frame, and is dropped.
  words[at(slots - 1)]! &= ~FirstSegment;
  const flags = receive().map(([, , each]) => each);
  assert.deepEqual(flags, Array<number>(slots - 1).fill(Received.hashed));
  assert.deepEqual(
    Array.from({ length: slots }, (_, slot) => hash(slot)),
    Array<number>(slots).fill(0),
  );
  deliver(slots, 100, 0, HashedV2.ipv4);
  assert.deepEqual(
    receive().map(([, , each]) => each),
    [0],
  );
  assert.equal(ring.hashes![0], 0);
});

test("queues whose descriptors alternate in one ring do not change the descriptors of another queue", () => {
  const format = RECEIVE_HASHED[2];
  const dma = new DmaArena(new ArrayBuffer(1 << 20), IOVA);
  const scope = new DisposableStack();
  const options = { slots: 4, bufferBytes: BUFFER, spare: 4, weaklyOrdered: false, format };
  const ring = allocateRing(dma, scope, options.slots, format.bytes, 2);
  const rings = [0, 1].map((queue) =>
    createReceiveRing(dma, scope, { ...options, shared: { ring, queue, queues: 2 } }),
  );
  for (const each of rings) each.arm();
  const { words } = dma.window;
  const opts1 = (index: number): number => words[(ring.offset >> 2) + 8 * index]!;
  assert.deepEqual(
    Array.from({ length: 8 }, (_, i) => opts1(i) & EndOfRing),
    [0, 0, 0, 0, 0, 0, EndOfRing, EndOfRing],
  );
  for (const [queue, index] of [
    [1, 1],
    [1, 3],
    [0, 0],
  ] as const) {
    words[(ring.offset >> 2) + 8 * index] = FirstSegment | LastSegment | (60 + index + FCS);
    assert.deepEqual(
      rings.map((each) => each.waiting()),
      [queue === 0, queue === 1],
    );
    assert.equal(rings[queue]!.receive(0, 8), 1);
    assert.equal(rings[queue]!.core.burst[1], 60 + index);
    assert.ok(opts1(index) < 0);
    assert.deepEqual(
      rings.map((each) => each.armed()),
      [4, 4],
    );
  }
});

test("format 3: a descriptor that does not belong to a frame is dropped", () => {
  const { ring, write, receive } = rig({ format: RECEIVE_HASHED[3] });
  write(0, RxV3.firstSegment | RxV3.lastSegment | (1 << 26) | 104);
  assert.deepEqual(receive(), []);
  assert.equal(ring.counters()[ReceiveCount.nonsense], 1);
});
