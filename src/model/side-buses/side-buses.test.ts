/** Side buses by generation: PCIe PHY, MAC firmware, MDIO, EEPROM and fuses as a guest accesses them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Chip, CHIPS, chipNamed, type ChipKey } from "#chip/chips.ts";
import { BMCR, BMSR, Bmcr, Bmsr, PHYID1, PHYID2 } from "#chip/phy.ts";
import { Cfg9346, EFUSEAR, EPHYAR, FLAG, MACOCP, PHYAR, PHYOCP, PHYstatus } from "#chip/registers.ts";
import { Guest } from "../guest.test-kit.ts";
import { phyKind } from "#chip/phy-kinds.ts";

const guestOf = (key: ChipKey): Guest => new Guest({ chip: chipNamed(key)! });

const ephyWrite = (guest: Guest, number: number, value: number): void =>
  guest.w32(EPHYAR, FLAG + (number << 16) + value);
const ephyRead = (guest: Guest, number: number): number => {
  guest.w32(EPHYAR, number << 16);
  return guest.r32(EPHYAR) & 0xffff;
};
const macWrite = (guest: Guest, address: number, value: number): void =>
  guest.w32(MACOCP, FLAG + (address << 15) + value);
const macRead = (guest: Guest, address: number): number => {
  guest.w32(MACOCP, address << 15);
  return guest.r32(MACOCP) & 0xffff;
};
const mdioRead = (guest: Guest, register: number): number => {
  guest.w32(PHYAR, register << 16);
  assert.ok(guest.r32(PHYAR) >= FLAG);
  return guest.r32(PHYAR) & 0xffff;
};
const mdioWrite = (guest: Guest, register: number, value: number): void => {
  guest.w32(PHYAR, FLAG + (register << 16) + value);
  assert.ok(guest.r32(PHYAR) < FLAG);
};
/** A clause 22 register, accessed as the chip's own drivers do. */
const phyRead = (guest: Guest, chip: Chip, register: number): number => {
  if (chip.profile.phyAccess !== "ocp") return mdioRead(guest, register);
  guest.w32(PHYOCP, (0xa400 + 2 * register) << 15);
  assert.ok(guest.r32(PHYOCP) >= FLAG);
  return guest.r32(PHYOCP) & 0xffff;
};

test("the PHY of each chip is accessible, negotiates up to its speed and reports it in PHYstatus", () => {
  for (const chip of CHIPS) {
    const guest = new Guest({ chip });
    const { id, hidesLink } = phyKind(chip);
    assert.equal(phyRead(guest, chip, PHYID1), id >>> 16, chip.key);
    assert.equal(phyRead(guest, chip, PHYID2), id & 0xffff, chip.key);
    assert.equal(phyRead(guest, chip, BMSR) & Bmsr.linkUp, 0);
    guest.nic.setCarrier(true);
    guest.clock.delay(2000);
    assert.equal(guest.nic.link.speed, chip.speed, chip.key);
    const linked = hidesLink ? 0 : Bmsr.linkUp | Bmsr.negotiated;
    assert.equal(phyRead(guest, chip, BMSR) & (Bmsr.linkUp | Bmsr.negotiated), linked, chip.key);
    const shown = { 100: 0x0b, 1000: 0x13, 2500: 0x403, 5000: 0x1003, 10000: 0x4003 }[chip.speed];
    assert.equal(guest.r32(PHYstatus) & 0x5c1f, shown, chip.key);
  }
});

test("MDIO takes time in both directions", () => {
  const guest = new Guest({ chip: chipNamed("rtl8169sb")!, accessMicros: 20 });
  guest.w32(PHYAR, PHYID1 << 16);
  assert.ok(guest.r32(PHYAR) < FLAG);
  guest.clock.delay(20);
  assert.equal(guest.r32(PHYAR), FLAG + (PHYID1 << 16) + 0x001c);
  guest.w32(PHYAR, FLAG + (24 << 16) + 0x65c7);
  assert.ok(guest.r32(PHYAR) >= FLAG);
  guest.clock.delay(20);
  assert.ok(guest.r32(PHYAR) < FLAG);
  guest.w32(PHYAR, 24 << 16);
  guest.clock.delay(20);
  assert.equal(guest.r32(PHYAR) & 0xffff, 0x65c7);
});

test("the 8168H responds to MDIO too", () => {
  const guest = guestOf("rtl8168h");
  assert.equal(mdioRead(guest, PHYID2), 0xc800);
  mdioWrite(guest, BMCR, Bmcr.powerDown);
  assert.equal(phyRead(guest, guest.nic.chip, BMCR), Bmcr.powerDown);
});

test("the registers of the PCIe PHY have numbers of 6 or 7 bits, pages or banks, depending on the generation", () => {
  const old = guestOf("rtl8168evl");
  ephyWrite(old, 0x41, 0x1111);
  assert.equal(ephyRead(old, 0x01), 0x1111);
  const multigigabit = guestOf("rtl8125b");
  ephyWrite(multigigabit, 0x41, 0x1111);
  assert.deepEqual([ephyRead(multigigabit, 0x01), ephyRead(multigigabit, 0x41)], [0, 0x1111]);
  const paged = guestOf("rtl8127a");
  ephyWrite(paged, 0x7e, 8);
  ephyWrite(paged, 0x08, 0x2222);
  ephyWrite(paged, 0x7e, 0);
  assert.equal(ephyRead(paged, 0x08), 0);
  ephyWrite(paged, 0x7e, 8);
  assert.equal(ephyRead(paged, 0x08), 0x2222);
  const banked = guestOf("rtl8168h");
  macWrite(banked, 0xde28, 1);
  ephyWrite(banked, 0x04, 0x3333);
  macWrite(banked, 0xde28, 0);
  assert.deepEqual([ephyRead(banked, 0x04), ephyRead(banked, 0x24)], [0, 0x3333]);
});

test("MAC firmware has four pages from 8125 on, and one before", () => {
  for (const [key, first] of [
    ["rtl8168h", 2],
    ["rtl8125b", 1],
  ] as const) {
    const guest = guestOf(key);
    macWrite(guest, 0xf800, 1);
    macWrite(guest, 0xe446, 2);
    macWrite(guest, 0xf800, 2);
    assert.equal(macRead(guest, 0xf800), 2);
    macWrite(guest, 0xe446, 0);
    assert.equal(macRead(guest, 0xf800), first);
    macWrite(guest, 0xfc26, 0x8000);
    assert.equal(macRead(guest, 0xfc26), 0x8000);
  }
  assert.equal(macRead(guestOf("rtl8125d-688"), 0xe908) & 0x80, 0x80);
});

/** Word 0 of the EEPROM. */
const eepromRead = (guest: Guest): number => {
  const clock = (bit: number): number => {
    guest.w8(Cfg9346, 0x88 | (bit << 1));
    guest.w8(Cfg9346, 0x8c | (bit << 1));
    return guest.r8(Cfg9346) & 1;
  };
  guest.w8(Cfg9346, 0x88);
  for (const bit of [1, 1, 0, 0, 0, 0, 0, 0, 0]) clock(bit);
  let word = 0;
  for (let i = 0; i < 16; i++) word = (word << 1) | clock(0);
  guest.w8(Cfg9346, 0);
  return word;
};

test("a guest controls the EEPROM's pins through Cfg9346; chips with fuses have none", () => {
  assert.equal(eepromRead(guestOf("rtl8169sc-180")), 0x8129);
  assert.equal(eepromRead(guestOf("rtl8168b")), 0x8129);
  assert.notEqual(eepromRead(guestOf("rtl8168d-281")), 0x8129);
});

test("fuses are read by address", () => {
  const guest = guestOf("rtl8168d-280");
  guest.w32(EFUSEAR, 0x01 << 8);
  assert.equal(guest.r32(EFUSEAR), FLAG + (0x01 << 8) + 0xff);
});
