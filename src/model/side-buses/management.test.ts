/**
 * Management controllers: what a driver finds with and without firmware, by the way in which each generation gives
 * access.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chipNamed, type ChipKey } from "#chip/chips.ts";
import {
  CSIAR,
  CSIDR,
  EPHYAR,
  ERIAR,
  ERIDR,
  FLAG,
  IBCR2,
  IBISR0,
  MACOCP,
  OCPAR,
  OCPDR,
  PHYAR,
} from "#chip/registers.ts";
import { Guest } from "../guest.test-kit.ts";

const LANES = 0xf000;
const OOB = 2 << 16;
const OOB_BASE = 0x3dc0_0000;
const guestOf = (key: ChipKey, managed: boolean): Guest => new Guest({ chip: chipNamed(key)!, managed });

const eriRead = (guest: Guest, word: number): number => {
  guest.w32(ERIAR, LANES | word);
  return guest.r32(ERIDR);
};
const eriWrite = (guest: Guest, word: number, value: number): void => {
  guest.w32(ERIDR, value);
  guest.w32(ERIAR, FLAG + LANES + word);
};

test("the 8168EP's management firmware is optional, and acknowledges the driver's start and stop within 10 ms", () => {
  const without = guestOf("rtl8168ep", false);
  assert.equal(eriRead(without, OOB | 0x128), 0);
  const guest = guestOf("rtl8168ep", true);
  assert.equal(eriRead(guest, OOB | 0x128) & 1, 1);
  assert.ok(![0, 0xffff_ffff].includes(eriRead(guest, OOB | 0x120)));
  for (const [word, ready] of [
    [5, 1],
    [6, 0],
  ] as const) {
    eriWrite(guest, OOB | 0x180, word);
    eriWrite(guest, OOB | 0x30, 1);
    guest.clock.delay(10_000);
    assert.equal(eriRead(guest, OOB | 0x124) & 1, ready);
  }
});

test("the 8117's controller is accessible at its base address and without one, but not at other base addresses", () => {
  const guest = guestOf("rtl8117-54a", true);
  assert.equal(eriRead(guest, OOB_BASE | OOB | 0x128) & 1, 1);
  assert.equal(eriRead(guest, OOB | 0x128) & 1, 1);
  assert.equal(eriRead(guest, (0x123 << 18) | OOB | 0x128), 0xffff_ffff);
});

test("the 8168DP's controller is accessed through OCPAR and OCPDR, with the driver's word in an extended register", () => {
  for (const [key, at] of [
    ["rtl8168dp-28a", 0x10],
    ["rtl8168dp-28b", 0xb8],
  ] as const) {
    const guest = guestOf(key, true);
    const read = (address: number): number => {
      guest.w32(OCPAR, LANES | address);
      assert.ok(guest.r32(OCPAR) >= FLAG);
      return guest.r32(OCPDR);
    };
    assert.equal(read(at), 1 << 15);
    eriWrite(guest, 0xe8, 5);
    guest.w32(OCPDR, 1);
    guest.w32(OCPAR, FLAG + 0x1000 + 0x30);
    guest.clock.delay(10_000);
    assert.equal(read(at), (1 << 15) | (1 << 11));
  }
});

test("the 8125BP's management controller has a doorbell register of its own", () => {
  const guest = guestOf("rtl8125bp", true);
  eriWrite(guest, OOB | 0x14, 5);
  eriWrite(guest, OOB | 0x18, 0);
  eriWrite(guest, OOB | 0x10, 1);
  guest.clock.delay(10_000);
  assert.equal(eriRead(guest, OOB | 0x124) & 1, 1);
});

test("stopping the controller's transmitter is acknowledged each time", () => {
  const guest = guestOf("rtl8168ep", false);
  for (let i = 0; i < 2; i++) {
    guest.w8(IBCR2, guest.r8(IBCR2) & ~1);
    assert.equal(guest.r8(IBISR0) & 0x20, 0x20);
    guest.w8(IBISR0, guest.r8(IBISR0) | 0x20);
    assert.equal(guest.r8(IBISR0) & 0x20, 0);
  }
});

test("8117's mailbox is also accessible as function 1 through CSI", () => {
  const guest = guestOf("rtl8117-54b", false);
  const read = (): number => {
    guest.w32(CSIAR, LANES | 0xf9 | (1 << 16));
    return guest.r32(CSIDR);
  };
  guest.w32(CSIDR, read() & ~0x100);
  guest.w32(CSIAR, FLAG + LANES + 0xf9 + (1 << 16));
  assert.equal((read() >>> 24) & 0x20, 0x20);
});

test("after random writes to the registers of the side buses, the chip still responds", () => {
  for (const key of ["rtl8168dp-28b", "rtl8168ep", "rtl8125bp", "rtl8127a"] as const) {
    const guest = guestOf(key, true);
    const registers = [CSIAR, CSIDR, ERIAR, ERIDR, EPHYAR, MACOCP, 0xb4, 0xb8, 0xdc, PHYAR];
    fc.assert(
      fc.property(fc.constantFrom(...registers), fc.nat(0xffff_ffff), (register, word) => {
        guest.w32(register, word);
        guest.r32(register);
      }),
    );
    assert.notEqual(guest.r32(0x40), 0xffff_ffff);
  }
});
