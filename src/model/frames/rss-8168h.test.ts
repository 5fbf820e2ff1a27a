/** Receive side scaling of the RTL8168H: descriptors of format 2, queues that alternate in one ring, status bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EndOfRing, FirstSegment, HashedV2, LastSegment, Own, Rx, RxTagTaken, RxV2 } from "#chip/descriptors.ts";
import {
  ChipCmd,
  Cmd,
  CPlus,
  CPlusCmd,
  ERIAR,
  ERIDR,
  FLAG,
  Intr,
  IntrMask2,
  IntrStatus,
  IntrStatus1,
  IntrStatus2,
  IntrStatus3,
  QueueIntr,
  RDSAR,
  RSS_TABLE,
  RxConf,
  RxConfig,
} from "#chip/registers.ts";
import { RxConf8125 } from "#chip/registers-8125.ts";
import { ExtendedRss, QueueCount, RssControl } from "#chip/rss.ts";
import type { GuestMemory } from "#kit/target.ts";
import { newMemory } from "#wire/memory.ts";
import { BASE, frame, Guest, MAC, MEMORY_BYTES, RX_BUFFERS, RX_RING } from "../guest.test-kit.ts";
import { ipv4Tcp, ipv6Tcp, sealed } from "./packets.test-kit.ts";
import { KEY } from "./rss.test-kit.ts";

const SLOTS = 4;
const WHOLE = FirstSegment | LastSegment;

const eriWrite = (guest: Guest, address: number, value: number): void => {
  guest.w32(ERIDR, value);
  guest.w32(ERIAR, FLAG | (0xf << 12) | address);
};
/** Makes every hash select the same queue. */
const steerTo = (guest: Guest, queue: number): void =>
  RSS_TABLE.forEach((at, i) => guest.w32(at, ((queue >> (i >> 2)) & 1) === 0 ? 0 : 0xffff_ffff));
const give = (guest: Guest, bytes: Uint8Array): boolean => guest.nic.receive(bytes, 0, bytes.length);
/** Posts `SLOTS` descriptors for each queue. */
const post = (guest: Guest, queues: number): void => {
  for (let i = 0; i < SLOTS * queues; i++) {
    const end = i >= (SLOTS - 1) * queues ? EndOfRing : 0;
    guest.setDescriptor(RX_RING, 2 * i, Own | 2048 | end, 0, RX_BUFFERS + 2048 * i);
  }
};
const up = (queues: number, guest = new Guest()): Guest => {
  guest.bringUp();
  guest.w8(ChipCmd, 0);
  guest.w16(CPlusCmd, CPlus.receiveChecksum | CPlus.receiveVlan);
  for (let i = 0; i < 10; i++)
    eriWrite(guest, ExtendedRss.key + 4 * i, new DataView(Uint8Array.from(KEY).buffer).getUint32(4 * i, true));
  eriWrite(guest, ExtendedRss.queues, Math.log2(queues) << QueueCount.shift);
  const four = queues === 4 ? ExtendedRss.four : 0;
  eriWrite(guest, ExtendedRss.control, ExtendedRss.hashes | (7 << RssControl.maskShift) | four);
  guest.w32(RxConfig, RxConf.acceptPhysical | RxConf.acceptBroadcast | RxConf8125.descriptorsV3);
  post(guest, queues);
  guest.w8(ChipCmd, Cmd.receiveEnable | Cmd.transmitEnable);
  return guest;
};
const move = (from: Uint8Array, to: Uint8Array, offset: number, length: number): boolean => {
  to.set(from.subarray(offset, offset + length), offset);
  return true;
};
/** The words of descriptor `index` of the ring. */
const words = (guest: Guest, index: number): Int32Array => {
  const at = guest.word(RX_RING) + 8 * index;
  return guest.words.subarray(at, at + 8);
};
/** The descriptors that the chip has written back. */
const written = (guest: Guest, queues: number): number[] =>
  Array.from({ length: SLOTS * queues }, (_, i) => i).filter((i) => (words(guest, i)[0]! & Own) === 0);

test("a descriptor of format 2 has the type of hash in opts2, and the hash in its second half", () => {
  const guest = up(1);
  const four = sealed(ipv4Tcp({ payload: 100 }));
  const six = sealed(ipv6Tcp({ payload: 100 }));
  const tagged = Uint8Array.of(...four.subarray(0, 12), 0x81, 0, 0x12, 0x34, ...four.subarray(12));
  for (const bytes of [four, six, frame(MAC, 60), tagged]) assert.equal(give(guest, bytes), true);
  const tcp = Rx.protocolTcp | Rx.physical | WHOLE;
  assert.deepEqual([words(guest, 0)[0], words(guest, 1)[0]], [tcp | (four.length + 4), tcp | (six.length + 4)]);
  assert.equal(words(guest, 2)[0], WHOLE | Rx.physical | 64);
  const opts2 = [0, 1, 2, 3].map((i) => words(guest, i)[1]);
  const hashed4 = RxV2.ipv4 | HashedV2.ipv4 | HashedV2.tcp;
  assert.deepEqual(opts2, [hashed4, RxV2.ipv6 | HashedV2.ipv6 | HashedV2.tcp, 0, hashed4 | RxTagTaken | 0x3412]);
  const hashes = [0, 1, 2, 3].map((i) => words(guest, i)[5]);
  assert.equal(new Set(hashes).size, 3);
  assert.equal(hashes[2], 0);
  assert.equal(hashes[3], hashes[0]);
  assert.deepEqual([...words(guest, 0).subarray(2, 4)], [(RX_BUFFERS % 2 ** 32) | 0, Math.floor(BASE / 2 ** 32)]);
  const place = RX_BUFFERS - BASE;
  assert.deepEqual(guest.memory.one.bytes.slice(place, place + four.length), four);
});

for (const queues of [1, 2, 4])
  test(`descriptors of ${queues} queues alternate, and each queue wraps at its own end of the ring`, () => {
    const guest = up(queues);
    const bytes = sealed(ipv4Tcp({ payload: 20 }));
    for (let queue = queues - 1; queue >= 0; queue--) {
      steerTo(guest, queue);
      for (let slot = 0; slot < SLOTS; slot++) {
        post(guest, queues);
        assert.equal(give(guest, bytes), true);
        assert.deepEqual(written(guest, queues), [slot * queues + queue]);
      }
      post(guest, queues);
      give(guest, bytes);
      assert.deepEqual(written(guest, queues), [queue], "after the last descriptor comes the first");
      guest.w32(RDSAR, RX_RING % 2 ** 32);
      post(guest, queues);
    }
  });

test("a queue without descriptors drops its frames and does not hold up another queue", () => {
  const guest = up(4);
  const bytes = sealed(ipv4Tcp({ payload: 20 }));
  steerTo(guest, 2);
  for (let i = 0; i < SLOTS; i++) assert.equal(give(guest, bytes), true);
  assert.equal(guest.nic.hasRoom(), false);
  assert.equal(give(guest, bytes), false);
  assert.deepEqual([guest.r8(IntrStatus1), guest.r8(IntrStatus2), guest.r8(IntrStatus3)], [0, 3, 0]);
  steerTo(guest, 1);
  assert.equal(give(guest, bytes), true);
  assert.deepEqual(written(guest, 4), [1, 2, 6, 10, 14]);
});

test("receive queue 2 has a mask byte and a status byte of its own", () => {
  const guest = up(4);
  const bytes = sealed(ipv4Tcp({ payload: 20 }));
  steerTo(guest, 2);
  give(guest, bytes);
  assert.equal(guest.interrupts, 0, "masked");
  assert.equal(guest.r16(IntrStatus) & (Intr.receiveOk | Intr.receiveUnavailable), 0);
  guest.w8(IntrMask2, QueueIntr.receiveOk);
  assert.equal(guest.interrupts, 1);
  guest.w8(IntrStatus1, 0xff);
  assert.equal(guest.r8(IntrStatus2), QueueIntr.receiveOk);
  guest.w8(IntrStatus2, QueueIntr.receiveOk);
  assert.equal(guest.r8(IntrStatus2), 0);
  give(guest, bytes);
  assert.equal(guest.interrupts, 2);
  guest.w8(ChipCmd, Cmd.reset);
  assert.deepEqual([guest.r8(IntrMask2), guest.r8(IntrStatus2)], [0, 0]);
});

test("with two queues bit 1 of the table's entries is not used", () => {
  const guest = up(2);
  steerTo(guest, 3);
  give(guest, sealed(ipv4Tcp({ payload: 20 })));
  assert.deepEqual(written(guest, 2), [1]);
  steerTo(guest, 2);
  give(guest, sealed(ipv4Tcp({ payload: 20 })));
  assert.deepEqual(written(guest, 2), [0, 1]);
});

test("without RxConfig bit 24, descriptors have 16 bytes and do not alternate between queues", () => {
  const guest = up(4);
  eriWrite(guest, ExtendedRss.control, 0);
  guest.w32(RxConfig, RxConf.acceptPhysical);
  guest.post(4);
  for (let i = 0; i < 3; i++) give(guest, sealed(ipv4Tcp({ payload: 20 })));
  assert.deepEqual(
    [0, 1, 2, 3].map((i) => (guest.descriptor(RX_RING, i).opts1 & Own) !== 0),
    [false, false, false, true],
  );
});

test("in copied memory, the chip stores each descriptor of the frame's queue whole, then its word with OWN", () => {
  const guest = new Guest({ strict: "off" });
  const own = guest.memory.one;
  const view = newMemory(MEMORY_BYTES);
  const stored: [number, number][] = [];
  const region = {
    address: BASE,
    length: MEMORY_BYTES,
    ...view,
    copy: {
      fetch: (offset: number, length: number) => move(own.bytes, view.bytes, offset, length),
      store: (offset: number, length: number) => {
        if (offset < RX_BUFFERS - BASE) stored.push([offset - (RX_RING - BASE), length]);
        return move(view.bytes, own.bytes, offset, length);
      },
    },
  };
  const memory: GuestMemory = {
    region: (at, length) => (at >= BASE && at + length <= BASE + MEMORY_BYTES ? region : undefined),
  };
  guest.nic.attach(memory, () => {});
  up(4, guest);
  steerTo(guest, 3);
  for (let i = 0; i < 2; i++) assert.equal(give(guest, sealed(ipv4Tcp({ payload: 20 }))), true);
  assert.deepEqual(written(guest, 4), [3, 7]);
  assert.deepEqual(stored, [
    [3 * 32, 32],
    [3 * 32, 4],
    [7 * 32, 32],
    [7 * 32, 4],
  ]);
});

test("a ring at the end of memory is used only as far as the descriptors of its queue reach", () => {
  const guest = up(4);
  const ring = BASE + MEMORY_BYTES - 256;
  guest.w8(ChipCmd, 0);
  guest.w32(RDSAR, ring % 2 ** 32);
  for (let i = 0; i < 8; i++) guest.setDescriptor(ring, 2 * i, Own | 2048, 0, RX_BUFFERS + 2048 * i);
  guest.w8(ChipCmd, Cmd.receiveEnable);
  steerTo(guest, 3);
  const bytes = sealed(ipv4Tcp({ payload: 20 }));
  assert.deepEqual([give(guest, bytes), give(guest, bytes), give(guest, bytes)], [true, true, false]);
});
