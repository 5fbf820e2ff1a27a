/** Whatever a guest does, the model does not throw, hang or access memory outside its regions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chipNamed } from "#chip/chips.ts";
import { EndOfRing, FirstSegment, LastSegment, Own, TxV2 } from "#chip/descriptors.ts";
import { framesOf } from "#chip/frames.ts";
import { ERIAR, ERIDR, FLAG, RSS_TABLE, RxConf, RxConfig, TxConf, TxConfig, TxPoll } from "#chip/registers.ts";
import { Q_NUM_CTRL, RSS_CTRL, RxFormat, TPPOLL } from "#chip/registers-8125.ts";
import { ExtendedRss } from "#chip/rss.ts";
import type { RegionName } from "#kit/target.ts";
import { BASE, BROADCAST, frame, Guest, MEMORY_BYTES, RX_RING, TX_DATA, TX_RING } from "./guest.test-kit.ts";
import { ipv4Tcp, sealed } from "./frames/packets.test-kit.ts";

const region = fc.constantFrom<RegionName>("config", 0, 1, 2, 3, 4, 5);
const width = fc.constantFrom<1 | 2 | 4>(1, 2, 4);
const offset = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 0xff }) },
  fc.integer({ min: 0, max: 0x4004 }),
  fc.constantFrom(-1, 0.5, 2 ** 31, 2 ** 40, Number.NaN),
);
const access = fc.record({
  region,
  offset,
  width,
  value: fc.integer({ min: 0, max: 0xffff_ffff }),
  write: fc.boolean(),
  wait: fc.constantFrom(0, 0, 0, 1, 100, 5000),
});

test("random accesses of all widths anywhere never throw, and reads are unsigned and in range", () => {
  fc.assert(
    fc.property(fc.array(access, { maxLength: 200 }), fc.boolean(), (accesses, running) => {
      const guest = new Guest({ strict: "warn", accessMicros: 5 });
      if (running) guest.bringUp(RxConf.acceptMask);
      for (const { region, offset, width, value, write, wait } of accesses) {
        if (write) guest.nic.write(region, offset, width, value);
        else {
          const got = guest.nic.read(region, offset, width);
          assert.ok(Number.isInteger(got) && got >= 0 && got < 2 ** (8 * width));
        }
        guest.clock.delay(wait);
      }
      guest.nic.receive(frame(BROADCAST, 64), 0, 64);
      guest.nic.reset();
      guest.busMaster();
      assert.equal(guest.nic.read(2, 0x40, 4), 0x54100800);
    }),
    { numRuns: 300 },
  );
});

const word = fc.integer({ min: 0, max: 0xffff_ffff });
const address = fc.oneof(
  fc.integer({ min: -4096, max: MEMORY_BYTES + 4096 }).map((n) => BASE + n),
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
);
const descriptor = fc.record({
  opts1: fc.oneof(
    word,
    // Most descriptors are owned by the chip, and most describe complete frames of a plausible length.
    fc
      .tuple(fc.constantFrom(0xb000_0000, 0xa000_0000, 0x9000_0000, 0xf000_0000), word, fc.nat(3000))
      .map(([own, options, length]) => (own | (options & 0x0fff_0000) | length) >>> 0),
  ),
  opts2: word,
  address,
});

/** Chips that together have all formats of descriptors. */
const CHIPS = [
  "rtl8169s",
  "rtl8101e",
  "rtl8168d-281",
  "rtl8168evl",
  "rtl8168h",
  "rtl8125b",
  "rtl8125d-688",
  "rtl8126a-64a",
];
const hostile = fc.record({
  key: fc.constantFrom(...CHIPS),
  descriptors: fc.array(descriptor, { minLength: 1, maxLength: 64 }),
  length: fc.nat(2000),
  /** Values for RxConfig, `RxFormat`, TxConfig, the tail pointer, RSS_CTRL and Q_NUM_CTRL. */
  words: fc.tuple(word, word, word, word, word, word),
});

test("random descriptors of any format never make the model access memory outside its regions", () => {
  const around = 4096;
  fc.assert(
    fc.property(hostile, ({ key, descriptors, length, words }) => {
      // The region is the middle of a larger buffer, whose edges must not change.
      const memory = new ArrayBuffer(MEMORY_BYTES + 2 * around);
      const edges = new Uint8Array(memory).fill(0xa5);
      const one = {
        address: BASE,
        length: MEMORY_BYTES,
        bytes: new Uint8Array(memory, around, MEMORY_BYTES + around),
        words: new Int32Array(memory, around, (MEMORY_BYTES + around) >> 2),
      };
      one.bytes.fill(0, 0, MEMORY_BYTES);
      one.bytes.set(ipv4Tcp({ payload: 2000 }), 0x80000);
      const chip = chipNamed(key)!;
      const late = chip.profile.mac.interrupts === 32;
      const guest = new Guest({ chip });
      guest.nic.attach(
        { region: (at, bytes) => (at >= BASE && at + bytes <= BASE + MEMORY_BYTES ? one : undefined) },
        () => {},
      );
      guest.bringUp(RxConf.acceptMask);
      guest.w16(0xe0, 0x60);
      const [receive, format, transmit, tail, rss, queues] = words;
      if (late) {
        guest.w32(RxConfig, receive | RxConf.acceptMask);
        guest.w8(RxFormat, format & 0xff);
        guest.w32(TxConfig, transmit & TxConf.countsClosed);
        guest.w32(RSS_CTRL, rss);
        guest.w16(Q_NUM_CTRL, queues & 0xffff);
      } else if (chip.profile.frames.hashedFormat === 2) {
        guest.w32(RxConfig, receive | RxConf.acceptMask);
        for (const [address, value] of [
          [ExtendedRss.control, rss],
          [ExtendedRss.queues, queues],
        ] as const) {
          guest.w32(ERIDR, value);
          guest.w32(ERIAR, FLAG | (0xf << 12) | address);
        }
        for (const table of RSS_TABLE) guest.w32(table, tail);
      }
      descriptors.forEach(({ opts1, opts2, address }, i) => {
        for (const ring of [TX_RING, RX_RING]) {
          const at = (ring - BASE) / 4 + 4 * i;
          const low = address % 2 ** 32;
          const high = Math.floor(address / 2 ** 32);
          one.words.set(i % 3 === 0 ? [low, high, opts2, opts1] : [opts1, opts2, low, high], at);
        }
      });
      const bytes = ipv4Tcp({ payload: length });
      for (let i = 0; i < 4; i++) {
        if (late) {
          guest.w16(TPPOLL, 3);
          guest.w32(chip.profile.queues.pointers!.tail, tail);
        } else guest.w8(TxPoll, 0xc0);
        guest.nic.receive(bytes, 0, bytes.length);
        guest.nic.receiveDamaged(bytes, 0, bytes.length, i + 1);
        guest.clock.delay(1000);
      }
      const longest = framesOf(chip).longestFrame + 4;
      for (const sent of guest.cable.frames) assert.ok(sent.length >= 60 && sent.length <= longest);
      assert.ok(edges.subarray(0, around).every((b) => b === 0xa5));
      assert.ok(edges.subarray(around + MEMORY_BYTES).every((b) => b === 0xa5));
    }),
    { numRuns: 400 },
  );
});

test("the model sends and receives without allocating", () => {
  const guest = new Guest({ strict: "off" });
  const keep = guest.cable.bytes;
  guest.nic.connect({ bytes: keep, reserve: () => 0, commit: () => {}, flush: () => {}, plug: () => {} });
  guest.bringUp(RxConf.acceptMask);
  guest.w16(0xe0, 0x60);
  const whole = ipv4Tcp({ payload: 9000 });
  guest.memory.one.bytes.set(whole, TX_DATA - BASE);
  const received = new Uint8Array(2048);
  received.set(sealed(ipv4Tcp({ payload: 1000 })));
  for (let i = 0; i < 32; i++) guest.setDescriptor(TX_RING, i, 0, i % 2 === 0 ? 1448 << 18 : 0, TX_DATA);
  guest.post(32);
  const rx = guest.word(RX_RING);
  const tx = guest.word(TX_RING);
  const { words } = guest;
  const round = (): void => {
    for (let i = 0; i < 32; i++) {
      const end = i === 31 ? EndOfRing : 0;
      words[rx + 4 * i] = Own | 2048 | end;
      const kind = i % 2 === 0 ? TxV2.segment4 | (34 << 18) | whole.length : 300;
      words[tx + 4 * i] = Own | FirstSegment | LastSegment | end | kind;
    }
    guest.nic.write(2, TxPoll, 1, 0x40);
    for (let i = 0; i < 32; i++) guest.nic.receive(received, 0, 1054);
    guest.nic.write(2, 0x3e, 2, guest.nic.read(2, 0x3e, 2));
  };
  // V8 allocates while it compiles, which takes some time on a busy machine. An allocation in the model would occur in
  // each round.
  let grown = Infinity;
  for (let attempt = 0; attempt < 8 && grown >= 64 * 1024; attempt++) {
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < 2000; i++) round();
    grown = process.memoryUsage().heapUsed - before;
  }
  // The loop sends 112,000 frames and receives 64,000: half a byte for each would exceed the limit.
  assert.ok(grown < 64 * 1024, `heap grew ${grown} bytes`);
  assert.ok(guest.nic.counters.txFrames > 200_000 && guest.nic.counters.rxMissed === 0);
});
