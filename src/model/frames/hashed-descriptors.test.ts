/**
 * Receive descriptors with a hash, several queues, transmit rings in "no close" mode, and wide transmit descriptors.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { EndOfRing, FirstSegment, LastSegment, Own, RxV2 } from "#chip/descriptors.ts";
import { HashedV3, HashedV4, RxV3, RxV3Verdict, RxV4, TxStride } from "#chip/descriptors-8125.ts";
import { ChipCmd, Cmd, CPlus, CPlusCmd, FLAG, MACOCP, RxConf, RxConfig, TxConf, TxConfig } from "#chip/registers.ts";
import {
  Q_NUM_CTRL,
  RDSAR_Q,
  RSS_CTRL,
  RSS_INDIRECTION_TBL,
  RSS_KEY,
  RxConf8125,
  RxFormat,
  TNPDS_Q1,
  TPPOLL,
} from "#chip/registers-8125.ts";
import { QueueCount, RssControl } from "#chip/rss.ts";
import { BASE, BROADCAST, frame, Guest, MAC, RX_BUFFERS, RX_RING, TX_DATA, TX_RING } from "../guest.test-kit.ts";
import { ipv4Tcp, ipv6Tcp, sealed } from "./packets.test-kit.ts";

const HIGH = Math.floor(BASE / 2 ** 32);
const low = (address: number): number => address % 2 ** 32;
const give = (guest: Guest, bytes: Uint8Array): boolean => guest.nic.receive(bytes, 0, bytes.length);
const up = (key: string): Guest => {
  const guest = new Guest({ chip: chipNamed(key)! });
  guest.bringUp();
  guest.w16(CPlusCmd, CPlus.receiveChecksum);
  return guest;
};
/** Enables the hash of TCP over IPv4 and IPv6; the hash's lowest bit selects queue 0 or 1. */
const hash = (guest: Guest): void => {
  for (const [i, at] of RSS_KEY.entries()) guest.w32(at, Math.imul(i + 1, 0x9e37_79b9));
  for (const at of RSS_INDIRECTION_TBL) guest.w32(at, 0x0100_0100);
  guest.w16(Q_NUM_CTRL, 1 << QueueCount.shift);
  guest.w32(RSS_CTRL, RssControl.tcpIpv4 | RssControl.tcpIpv6 | (7 << RssControl.maskShift));
};

for (const key of ["rtl8125a", "rtl8125b", "rtl8125d-688", "rtl8126a-64a", "rtl8127a"])
  test(`a descriptor of format 3 on ${key} has 32 bytes, with the hash, the hashed headers and the status`, () => {
    const guest = up(key);
    guest.w32(RxConfig, RxConf.acceptPhysical | RxConf8125.descriptorsV3);
    hash(guest);
    const at = guest.word(RX_RING);
    for (let i = 0; i < 4; i++) {
      guest.words[at + 8 * i + 4] = low(RX_BUFFERS + 2048 * i) | 0;
      guest.words[at + 8 * i + 5] = HIGH;
      guest.words[at + 8 * i + 7] = Own | 2048 | (i === 3 ? EndOfRing : 0);
    }
    // Only queue 0 is used, so all frames go to one ring.
    guest.w16(Q_NUM_CTRL, 0);
    const four = sealed(ipv4Tcp({ payload: 100 }));
    const six = sealed(ipv6Tcp({ payload: 100 }));
    six[140]! ^= 1;
    for (const bytes of [four, six, frame(MAC, 60)]) assert.equal(give(guest, bytes), true);
    const words = (i: number): Int32Array => guest.words.subarray(at + 8 * i, at + 8 * i + 8);
    assert.equal(words(0)[7]! & 0x3fff, four.length + 4);
    assert.equal(words(0)[7]! & (RxV3.firstSegment | RxV3.lastSegment), RxV3.firstSegment | RxV3.lastSegment);
    assert.equal(words(0)[7]! & RxV3.physical, RxV3.physical);
    assert.equal(words(0)[6], RxV2.ipv4 | RxV3Verdict.protocolTcp);
    assert.equal(words(1)[6], RxV2.ipv6 | RxV3Verdict.protocolTcp | RxV3Verdict.tcpChecksumFailed);
    assert.deepEqual([words(2)[2], words(2)[3], words(2)[6]], [0, 0, 0]);
    assert.notEqual(words(0)[2], 0);
    assert.notEqual(words(0)[2], words(1)[2]);
    assert.deepEqual([words(0)[3], words(1)[3]], [HashedV3.ipv4 | HashedV3.tcp, HashedV3.ipv6 | HashedV3.tcp]);
    // The address in the descriptor is preserved.
    assert.equal(words(0)[4], low(RX_BUFFERS) | 0);
    const place = RX_BUFFERS - BASE;
    assert.deepEqual(guest.memory.one.bytes.slice(place, place + four.length), four);
  });

test("format 4 on the 8126A: the hash replaces the address", () => {
  const guest = up("rtl8126a-64a");
  guest.w8(RxFormat, 2);
  hash(guest);
  const at = guest.word(RX_RING);
  guest.words[at] = low(RX_BUFFERS) | 0;
  guest.words[at + 1] = HIGH;
  guest.words[at + 3] = Own | EndOfRing | 2048;
  guest.w16(Q_NUM_CTRL, 0);
  const bytes = sealed(ipv4Tcp({ payload: 100 }));
  assert.equal(give(guest, bytes), true);
  const status = FirstSegment | LastSegment | EndOfRing | RxV4.protocolTcp | (1 << 26);
  assert.equal(guest.words[at + 3], status | (bytes.length + 4));
  assert.equal(guest.words[at + 2], RxV2.ipv4);
  assert.equal(guest.words[at], HashedV4.ipv4 | HashedV4.tcp);
  assert.notEqual(guest.words[at + 1], HIGH);
});

test("flows with different hashes go to different queues, each with its own ring", () => {
  const guest = up("rtl8125b");
  hash(guest);
  const rings = [RX_RING, RX_RING + 0x1000];
  guest.w8(ChipCmd, 0);
  guest.w32(RDSAR_Q[0]!, low(rings[1]!));
  guest.w32(RDSAR_Q[0]! + 4, HIGH);
  guest.w8(ChipCmd, Cmd.receiveEnable);
  rings.forEach((ring, q) => {
    for (let i = 0; i < 64; i++)
      guest.setDescriptor(ring, i, Own | 1024 | (i === 63 ? EndOfRing : 0), 0, RX_BUFFERS + (64 * q + i) * 1024);
  });
  const taken = [0, 0];
  const bytes = sealed(ipv4Tcp({ payload: 10 }));
  for (let port = 0; port < 64; port++) {
    // Each source port is a separate flow.
    bytes[35] = port;
    assert.equal(guest.nic.hasRoom(), true);
    assert.equal(give(guest, bytes), true);
  }
  rings.forEach((ring, q) => {
    for (let i = 0; i < 64; i++) if ((guest.descriptor(ring, i).opts1 & Own) === 0) taken[q]!++;
  });
  assert.equal(taken[0]! + taken[1]!, 64);
  assert.ok(Math.min(...taken) > 10, `${taken[0]} and ${taken[1]}`);
});

for (const key of ["rtl8125a", "rtl8125b", "rtl8125bp", "rtl8126a-64a", "rtl8127a"]) {
  test(`in "no close" mode ${key} returns transmit descriptors by a count and does not write them`, () => {
    const guest = up(key);
    const { tail, close, bytes } = chipNamed(key)!.profile.queues.pointers!;
    guest.w32(TxConfig, TxConf.countsClosed);
    const write = bytes === 2 ? guest.w16 : guest.w32;
    const read = bytes === 2 ? guest.r16 : guest.r32;
    let filled = 0;
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 200; i++) guest.put({ bytes: frame(BROADCAST, 60 + i) });
      filled += 200;
      write(tail, filled);
      assert.equal(guest.cable.frames.length, filled);
      assert.equal(read(close), filled);
    }
    assert.ok(guest.descriptor(TX_RING, 5).opts1 & Own);
    guest.w8(ChipCmd, Cmd.reset);
    assert.equal(read(close), 0);
  });
}

test("a tail count far beyond the ring's size sends at most 4096 frames, the size of the largest ring", () => {
  const guest = up("rtl8126a-64a");
  guest.w32(TxConfig, TxConf.countsClosed);
  for (let i = 0; i < 256; i++) guest.put({ bytes: frame(BROADCAST, 60) });
  guest.w32(guest.nic.chip.profile.queues.pointers!.tail, 0x7fff_ffff);
  guest.clock.delay(1_000_000);
  assert.equal(guest.cable.frames.length, 4096);
});

test("the second transmit queue has its own ring and doorbell", () => {
  const guest = up("rtl8125b");
  const ring = BASE + 0xc000;
  guest.w8(ChipCmd, 0);
  guest.w32(TNPDS_Q1[0]!, low(ring));
  guest.w32(TNPDS_Q1[1]!, HIGH);
  guest.w8(ChipCmd, Cmd.transmitEnable);
  guest.setDescriptor(ring, 0, Own | FirstSegment | LastSegment | EndOfRing | 99, 0, TX_DATA);
  guest.w16(TPPOLL, 1);
  assert.equal(guest.cable.frames.length, 0);
  guest.w16(TPPOLL, 2);
  assert.equal(guest.cable.frames[0]?.length, 99);
});

test("transmit descriptors are 32 bytes apart if a MAC-OCP register selects that before the transmitter starts", () => {
  const guest = up("rtl8125b");
  guest.w8(ChipCmd, 0);
  guest.w32(MACOCP, FLAG | (TxStride.macOcp << 15) | TxStride.wide);
  guest.w8(ChipCmd, Cmd.transmitEnable);
  for (let i = 0; i < 3; i++)
    guest.setDescriptor(
      TX_RING,
      2 * i,
      Own | FirstSegment | LastSegment | (i === 2 ? EndOfRing : 0) | (60 + i),
      0,
      TX_DATA,
    );
  guest.w16(TPPOLL, 1);
  guest.setDescriptor(TX_RING, 0, Own | FirstSegment | LastSegment | 70, 0, TX_DATA);
  guest.w16(TPPOLL, 1);
  assert.deepEqual(
    guest.cable.frames.map((f) => f.length),
    [60, 61, 62, 70],
  );
});
