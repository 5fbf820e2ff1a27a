/** MAC-OCP, extended registers, PCIe PHY, CSI, and the dump of counters. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CSIAR, CSIDR, DTCCR, DTCCRHigh, Dtccr, EPHYAR, ERIAR, ERIDR, FLAG, MACOCP } from "#chip/registers.ts";
import { BASE, BROADCAST, frame, Guest, MAC } from "../guest.test-kit.ts";

const LANES = 0xf000;
const DUMP = BASE + 0x400;

test("a value read from a MAC-OCP register is valid at once, without a handshake", () => {
  const guest = new Guest({ accessMicros: 20 });
  guest.w32(MACOCP, FLAG + (0xe8de << 15) + 0x1234);
  guest.w32(MACOCP, 0xe8de << 15);
  assert.equal(guest.r32(MACOCP) & 0xffff, 0x1234);
  guest.w32(MACOCP, 0xe8dc << 15);
  assert.equal(guest.r32(MACOCP) & 0xffff, 0);
});

test("a write to an extended register changes only the enabled bytes", () => {
  const guest = new Guest();
  const read = (address: number): number => {
    guest.w32(ERIAR, LANES | address);
    assert.ok(guest.r32(ERIAR) >= FLAG);
    return guest.r32(ERIDR);
  };
  guest.w32(ERIDR, 0x1122_3344);
  guest.w32(ERIAR, FLAG + LANES + 0xc8);
  assert.ok(guest.r32(ERIAR) < FLAG);
  guest.w32(ERIDR, 0xaabb_ccdd);
  guest.w32(ERIAR, FLAG + 0x5000 + 0xc8);
  assert.equal(read(0xc8), 0x11bb_33dd);
  assert.equal(read(0xe4), 0x5544);
});

test("types of extended registers are separate", () => {
  const guest = new Guest();
  guest.w32(ERIDR, 7);
  guest.w32(ERIAR, FLAG + (2 << 16) + LANES + 0xe0);
  guest.w32(ERIAR, LANES | 0xe0);
  assert.equal(guest.r32(ERIDR), 0x3322_1102);
});

test("the PCIe PHY keeps written values", () => {
  const guest = new Guest();
  guest.w32(EPHYAR, FLAG + (0x1e << 16) + 0xbeef);
  guest.w32(EPHYAR, 0x1e << 16);
  assert.equal(guest.r32(EPHYAR), FLAG + (0x1e << 16) + 0xbeef);
});

test("CSI accesses the same configuration space, of function 0 only", () => {
  const guest = new Guest();
  guest.w32(CSIAR, LANES);
  assert.equal(guest.r32(CSIDR), 0x8168_10ec);
  guest.w32(CSIDR, 0x2f00_0000);
  guest.w32(CSIAR, FLAG + 0x8000 + 0x70c);
  assert.equal(guest.nic.read("config", 0x70f, 1), 0x2f);
  guest.w32(CSIAR, (1 << 16) | LANES);
  assert.equal(guest.r32(CSIDR), 0xffff_ffff);
});

test("the chip dumps exactly 64 bytes of counters, and resets them", () => {
  const guest = new Guest({ accessMicros: 10 });
  guest.bringUp();
  guest.post(8);
  guest.send({ bytes: frame(BROADCAST, 64) });
  for (const to of [MAC, MAC, BROADCAST]) guest.nic.receive(frame(to, 64), 0, 64);
  const at = DUMP - BASE;
  const { bytes } = guest.memory.one;
  bytes.fill(0xa5, at - 64, at + 192);
  guest.w32(DTCCRHigh, 3);
  guest.w32(DTCCR, (DUMP % 2 ** 32) | Dtccr.dump);
  assert.ok(guest.r32(DTCCR) & Dtccr.dump);
  guest.clock.delay(10);
  assert.equal(guest.r32(DTCCR) & 0x3f, 0);
  const view = new DataView(bytes.buffer, at, 64);
  assert.equal(view.getBigUint64(0x00, true), 1n);
  assert.equal(view.getBigUint64(0x08, true), 3n);
  assert.equal(view.getBigUint64(0x28, true), 2n);
  assert.equal(view.getBigUint64(0x30, true), 1n);
  assert.ok(
    bytes.slice(at - 64, at).every((b) => b === 0xa5) && bytes.slice(at + 64, at + 192).every((b) => b === 0xa5),
  );
  guest.w32(DTCCR, (DUMP % 2 ** 32) | Dtccr.reset);
  guest.clock.delay(10);
  assert.equal(guest.nic.counters.rxFrames, 0);
  assert.equal(guest.r32(DTCCR) & 0x3f, 0);
});

test("a dump to an invalid address completes without writing", () => {
  const guest = new Guest();
  guest.busMaster();
  guest.w32(DTCCRHigh, 0x7fff_ffff);
  guest.w32(DTCCR, 0xffff_ffc0 + Dtccr.dump);
  assert.equal(guest.r32(DTCCR) & Dtccr.dump, 0);
  assert.equal(guest.nic.offences.outside, 1);
});
