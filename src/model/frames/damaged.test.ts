/** Frames that were damaged on the wire, frames that are too long, and the FCS. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { Rx } from "#chip/descriptors.ts";
import { RxV4 } from "#chip/descriptors-8125.ts";
import { Intr, IntrStatus, RxConf, RxConfig, RxMaxSize } from "#chip/registers.ts";
import { RxFormat } from "#chip/registers-8125.ts";
import { Damage } from "#kit/port.ts";
import { crc32 } from "#wire/crc32.ts";
import { BASE, BROADCAST, frame, Guest, MAC, RX_BUFFERS, RX_RING } from "../guest.test-kit.ts";

const ALL = RxConf.acceptError | RxConf.acceptRunt;
const up = (extra: number, key = "rtl8168h"): Guest => {
  const guest = new Guest({ chip: chipNamed(key)! });
  guest.bringUp(RxConf.acceptPhysical | extra);
  guest.post(8);
  return guest;
};
const damaged = (guest: Guest, bytes: Uint8Array, damage: number): boolean =>
  guest.nic.receiveDamaged(bytes, 0, bytes.length, damage);
const fcs = (guest: Guest, length: number): number => {
  const at = RX_BUFFERS - BASE + length;
  return new DataView(guest.memory.one.bytes.buffer).getUint32(guest.memory.one.bytes.byteOffset + at, true);
};

test("the chip drops damaged frames and counts them", () => {
  const guest = up(0);
  assert.equal(damaged(guest, frame(MAC, 100), Damage.crc), false);
  assert.equal(damaged(guest, frame(MAC, 100), Damage.alignment), false);
  assert.equal(damaged(guest, frame(MAC, 40), Damage.runt), false);
  const { rxErrors, alignErrors, rxFrames } = guest.nic.counters;
  assert.deepEqual([rxErrors, alignErrors, rxFrames], [3, 1, 0]);
});

test("the chip delivers damaged frames that RxConfig accepts, with the error's status bit and their FCS", () => {
  const guest = up(ALL);
  const bytes = frame(MAC, 100);
  assert.equal(damaged(guest, bytes, Damage.crc), true);
  assert.equal(damaged(guest, frame(MAC, 40), Damage.runt), true);
  assert.ok(guest.r16(IntrStatus) & Intr.receiveError);
  const errors = Rx.watchdog | Rx.errorSummary | Rx.runt | Rx.crcError;
  assert.equal(guest.received(0).opts1 & errors, Rx.errorSummary | Rx.crcError);
  assert.equal(guest.received(1).opts1 & errors, Rx.errorSummary | Rx.runt);
  assert.deepEqual(guest.received(0).bytes, bytes);
  assert.equal(guest.received(1).bytes.length, 40);
  assert.equal(fcs(guest, 100), ~crc32(bytes, 0, 100) >>> 0);
});

test("runts and other damaged frames are accepted by separate bits", () => {
  const runts = up(RxConf.acceptRunt);
  assert.deepEqual(
    [damaged(runts, frame(MAC, 40), Damage.runt), damaged(runts, frame(MAC, 80), Damage.crc)],
    [true, false],
  );
  const errors = up(RxConf.acceptError);
  assert.deepEqual(
    [damaged(errors, frame(MAC, 40), Damage.runt), damaged(errors, frame(MAC, 80), Damage.crc)],
    [false, true],
  );
  assert.equal(damaged(errors, frame(MAC, 40), Damage.runt | Damage.crc), false);
});

test("damaged frames still have to pass the filter and find a descriptor", () => {
  const guest = up(ALL);
  assert.equal(damaged(guest, frame(BROADCAST, 100), Damage.crc), false);
  guest.post(1);
  assert.equal(damaged(guest, frame(MAC, 100), Damage.crc), true);
  assert.equal(damaged(guest, frame(MAC, 100), Damage.crc), false);
});

test("a frame longer than RxMaxSize is delivered truncated to that length if RxConfig accepts errors", () => {
  const guest = up(RxConf.acceptError);
  guest.w16(RxMaxSize, 1518);
  const bytes = frame(MAC, 1600);
  assert.equal(guest.nic.receive(bytes, 0, 1600), true);
  const { opts1, bytes: got } = guest.received(0);
  assert.equal(opts1 & (Rx.watchdog | Rx.errorSummary), Rx.watchdog | Rx.errorSummary);
  assert.deepEqual(got, bytes.slice(0, 1514));
  assert.equal(guest.nic.counters.rxErrors, 1);
});

test("a chip with format 4 can drop frames with a bad FCS that RxConfig accepts, and has its own error bits", () => {
  const guest = up(ALL, "rtl8126a-64a");
  guest.w8(RxFormat, 1);
  guest.w32(RxConfig, RxConf.acceptPhysical | ALL);
  assert.equal(damaged(guest, frame(MAC, 100), Damage.crc), false);
  guest.w8(RxFormat, 2);
  guest.w32(RxConfig, RxConf.acceptPhysical | ALL);
  const at = guest.word(RX_RING);
  guest.words[at + 3] = 0x8000_0000 | 2048 | 0;
  guest.words[at] = (RX_BUFFERS % 2 ** 32) | 0;
  guest.words[at + 1] = Math.floor(RX_BUFFERS / 2 ** 32);
  assert.equal(damaged(guest, frame(MAC, 100), Damage.crc), true);
  assert.equal(guest.words[at + 3]! & (RxV4.errorSummary | RxV4.crcError), RxV4.errorSummary | RxV4.crcError);
});
