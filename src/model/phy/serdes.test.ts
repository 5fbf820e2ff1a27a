/** The RTL8127ATF: a link through an SFP module. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { BMSR, Bmcr, BMCR, Bmsr } from "#chip/phy.ts";
import { Intr, FLAG, MACOCP, PHYstatus } from "#chip/registers.ts";
import { ISR0 } from "#chip/registers-8125.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Guest } from "../guest.test-kit.ts";
import { partnerOf } from "./link-partner.ts";
import type { Medium } from "./medium.ts";

const guestOn = (medium?: Medium): Guest => new Guest({ chip: chipNamed("rtl8127a")!, medium });
const standard = (register: number): number => 0xa400 + 2 * register;
const macRead = (guest: Guest, address: number): number => {
  guest.w32(MACOCP, address << 15);
  return guest.r32(MACOCP) & 0xffff;
};

/** Starts the SerDes as DPDK's and Linux's drivers do: resets it, then sets the mode. */
const start = (guest: Guest, mode: number): void => {
  guest.w8(0x2350, guest.r8(0x2350) & ~1);
  guest.w16(0x233a, 0x801f);
  guest.w8(0x2350, guest.r8(0x2350) | 1);
  guest.w16(0x233a, mode);
};

test("the fibre variant reports an SFP cage to the driver, and the copper variant does not", () => {
  assert.equal(macRead(guestOn("fibre"), 0xd006) & 0xff, 7);
  assert.equal(macRead(guestOn("copper"), 0xd006) & 0xff, 0);
  assert.equal(macRead(guestOn(), 0xd006) & 0xff, 0);
  const guest = guestOn("fibre");
  guest.w32(MACOCP, FLAG + (0xd006 << 15) + 0x1234);
  assert.equal(macRead(guest, 0xd006), 0x1207);
});

test("the link is up while the SerDes runs at the speed of the other end", () => {
  const guest = guestOn("fibre");
  guest.nic.setCarrier(true);
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.up, false, "the link is up before the SerDes is started");
  start(guest, 0x801a);
  guest.clock.delay(10_000);
  const { speed, fullDuplex, receivePause } = guest.nic.link;
  assert.deepEqual([speed, fullDuplex, receivePause], [10000, true, false]);
  assert.equal(guest.r16(PHYstatus) & 0x5c1f, 0x4003);
  assert.equal(guest.phyRead(standard(BMSR)) & (Bmsr.linkUp | Bmsr.negotiated), Bmsr.linkUp, "nothing was negotiated");
  start(guest, 0x8004);
  assert.equal(guest.nic.link.up, false);
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.speed, 1000);
  guest.w8(0x2350, 0);
  assert.equal(guest.nic.link.up, false);
});

test("a speed forced in BMCR does not affect the link, but power-down takes it down", () => {
  const guest = guestOn("fibre");
  guest.nic.setCarrier(true);
  start(guest, 0x801a);
  guest.phyWrite(standard(BMCR), Bmcr.fullDuplex | Bmcr.speedLow);
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.speed, 10000);
  guest.phyWrite(standard(BMCR), Bmcr.powerDown);
  assert.equal(guest.nic.link.up, false);
});

test("two ends at different speeds have no link", () => {
  const guest = guestOn("fibre");
  start(guest, 0x801a);
  guest.nic.setCarrier(true, partnerOf({ speeds: [1000] }));
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.up, false);
  guest.nic.setCarrier(true, partnerOf({ speeds: [100], negotiates: false }));
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.up, false);
  guest.nic.setCarrier(true, partnerOf({ speeds: [10000] }));
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.speed, 10000);
});

test("inserting and removing a module each raise the link change event", () => {
  const guest = guestOn("fibre");
  start(guest, 0x801a);
  for (const plugged of [true, false, true]) {
    guest.w32(ISR0, 0xffff_ffff);
    guest.nic.setCarrier(plugged);
    guest.clock.delay(10_000);
    assert.equal(guest.nic.link.up, plugged);
    assert.notEqual(guest.r32(ISR0) & Intr.linkChange, 0);
  }
});

test("after a reset of the bus the SerDes is stopped", () => {
  const guest = guestOn("fibre");
  guest.nic.setCarrier(true);
  start(guest, 0x801a);
  guest.clock.delay(10_000);
  guest.nic.reset();
  guest.busMaster();
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.up, false);
  start(guest, 0x801a);
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.speed, 10000);
});

test("registers of the SerDes keep values written through their window", () => {
  const guest = guestOn("fibre");
  const at = (2 << 5) | 4;
  guest.w16(0x234c, 0x0180);
  guest.w16(0x234a, at);
  guest.w16(0x2348, 3);
  assert.equal(guest.r16(0x2348) & 1, 0);
  guest.w16(0x234a, at + 1);
  guest.w16(0x2348, 1);
  assert.equal(guest.r16(0x234e), 0);
  guest.w16(0x234a, at);
  guest.w16(0x2348, 1);
  assert.equal(guest.r16(0x234e), 0x0180);
});

test("on copper the SerDes has no effect", () => {
  const guest = guestOn();
  guest.nic.setCarrier(true);
  guest.clock.delay(10_000);
  start(guest, 0x8004);
  assert.equal(guest.nic.link.speed, 10000);
});

test("fibre is rejected for other chips", () => {
  assert.throws(() => new Guest({ chip: chipNamed("rtl8125b")!, medium: "fibre" }), OutOfRange);
});
