/** Tally counters: what each chip writes, where, and how they are reset. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { COUNTERS, EXTENDED_COUNTERS } from "#chip/counters.ts";
import { TPPOLL } from "#chip/registers-8125.ts";
import { CPlus, CPlusCmd, DTCCR, DTCCRHigh, Dtccr, FLAG, MACOCP } from "#chip/registers.ts";
import { TALLY_CONTROL } from "./counters.ts";
import { BASE, BROADCAST, frame, Guest, MEMORY_BYTES } from "../guest.test-kit.ts";

const DUMP = BASE + 0xff000;
const AROUND = 512;
const chipOf = (key: string) => CHIPS.find((row) => row.key === key)!;

const up = (key: string): Guest => {
  const guest = new Guest({ chip: chipOf(key) });
  guest.bringUp();
  guest.post(64);
  return guest;
};
const command = (guest: Guest, bits: number, address = DUMP): void => {
  guest.w32(DTCCRHigh, Math.floor(address / 2 ** 32));
  guest.w32(DTCCR, (address % 2 ** 32) + bits);
};
const extend = (guest: Guest, bits: number): void => guest.w32(MACOCP, (FLAG | (TALLY_CONTROL << 15) | bits) >>> 0);
/** Returns a dump of the counters, and the number of bytes written from its start. */
const dump = (guest: Guest): { view: DataView; written: number } => {
  const bytes = guest.memory.one.bytes.subarray(DUMP - BASE, DUMP - BASE + AROUND);
  bytes.fill(0xa5);
  command(guest, Dtccr.dump);
  assert.equal(guest.r32(DTCCR) & Dtccr.dump, 0);
  const written = AROUND - [...bytes].toReversed().findIndex((byte) => byte !== 0xa5);
  return { view: new DataView(bytes.buffer, bytes.byteOffset, AROUND), written };
};
const at = (view: DataView, { offset, bytes }: { offset: number; bytes: number }): number =>
  bytes === 8
    ? Number(view.getBigUint64(offset, true))
    : bytes === 4
      ? view.getUint32(offset, true)
      : view.getUint16(offset, true);
const read = (view: DataView, name: string): number =>
  at(
    view,
    [...COUNTERS, ...EXTENDED_COUNTERS].find((counter) => counter.name === name)!,
  );

for (const key of ["rtl8169s", "rtl8168b", "rtl8168h", "rtl8125a", "rtl8125b", "rtl8127a"])
  test(`without the extension, ${key} dumps 64 bytes of counters and no more`, () => {
    const guest = up(key);
    guest.nic.receive(frame(BROADCAST, 64), 0, 64);
    const { view, written } = dump(guest);
    assert.equal(written, 64);
    assert.equal(read(view, "rxPackets"), 1);
    assert.equal(read(view, "rxBroadcast"), 1);
  });

test("an RTL8125 with the extension enabled dumps 192 bytes of counters", () => {
  const guest = up("rtl8125b");
  extend(guest, 3);
  guest.nic.receive(frame(BROADCAST, 64), 0, 64);
  const { view, written } = dump(guest);
  assert.equal(written, 192);
  assert.equal(read(view, "rxPackets"), 1);
  assert.equal(read(view, "rxMulticast64"), 0);
});

test("one of the two control bits alone does not enable the extension, and older chips do not have it", () => {
  const half = up("rtl8125b");
  extend(half, 1);
  assert.equal(dump(half).written, 64);
  const old = up("rtl8168h");
  extend(old, 3);
  assert.equal(dump(old).written, 64);
});

test("with the extension enabled, a dump of which only the first 64 bytes are in memory causes a bus error", () => {
  const guest = up("rtl8125b");
  extend(guest, 3);
  const edge = BASE + MEMORY_BYTES - 64;
  guest.memory.one.bytes.fill(0xa5, edge - BASE);
  command(guest, Dtccr.dump, edge);
  assert.equal(guest.nic.offences.outside, 1);
  assert.ok(guest.memory.one.bytes.subarray(edge - BASE).every((byte) => byte === 0xa5));
});

for (const [key, resets] of [
  ["rtl8169s", false],
  ["rtl8168b", false],
  ["rtl8102e-349", false],
  ["rtl8168cp-3c8", false],
  ["rtl8168c-3c0", true],
  ["rtl8168h", true],
  ["rtl8125b", true],
] as const)
  test(`${key} ${resets ? "resets" : "never resets"} its counters on command`, () => {
    const guest = up(key);
    guest.nic.receive(frame(BROADCAST, 64), 0, 64);
    command(guest, Dtccr.reset);
    assert.equal(guest.r32(DTCCR) & Dtccr.reset, 0);
    assert.equal(read(dump(guest).view, "rxPackets"), resets ? 0 : 1);
  });

test("an RTL8125 counts octets and kinds of what it sends and receives, with the FCS", () => {
  const guest = up("rtl8125b");
  extend(guest, 3);
  guest.nic.receive(frame(BROADCAST, 100), 0, 100);
  guest.put({ bytes: frame(BROADCAST, 60) });
  guest.put({ bytes: frame(Uint8Array.of(1, 0, 0x5e, 0, 0, 1), 200) });
  guest.put({ bytes: frame(Uint8Array.of(2, 0, 0, 0, 0, 1), 1000) });
  guest.w16(TPPOLL, 1);
  const { view } = dump(guest);
  const names = ["rxOctets", "txOctets", "txBroadcast64", "txMulticast64", "txUnicast64", "txPackets", "txUnavailable"];
  assert.deepEqual(
    names.map((name) => read(view, name)),
    [104, 60 + 200 + 1000 + 12, 1, 1, 1, 3, 1],
  );
});

/** A MAC control frame. */
const control = (opcode: number, quanta: number): Uint8Array => {
  const bytes = frame(Uint8Array.of(0x01, 0x80, 0xc2, 0, 0, 1), 60, 0x8808);
  bytes.set([0, opcode, quanta >> 8, quanta], 14);
  return bytes;
};

test("an RTL8125 counts received pause frames, and control frames of unknown opcode", () => {
  const guest = up("rtl8125b");
  extend(guest, 3);
  guest.w16(CPlusCmd, CPlus.forceReceiveFlow);
  for (const bytes of [control(1, 5), control(1, 0), control(7, 0)]) guest.nic.receive(bytes, 0, bytes.length);
  const { view } = dump(guest);
  const names = ["rxPauseOn", "rxPauseOff", "rxPauseAll", "rxUnknownOpcode"];
  assert.deepEqual(
    names.map((name) => read(view, name)),
    [1, 1, 2, 1],
  );
});
