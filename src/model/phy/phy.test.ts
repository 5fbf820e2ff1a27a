/** The PHY: identity, negotiation, the latching link bit, power, reset. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ANAR,
  ANLPAR,
  Advertise,
  BMCR,
  BMSR,
  Bmcr,
  Bmsr,
  ESTATUS,
  GBCR,
  GBSR,
  Gbsr,
  OCP_STANDARD,
  PHYID1,
  PHYID2,
} from "#chip/phy.ts";
import { FLAG, Intr, IntrStatus, PHYOCP, PHYstatus } from "#chip/registers.ts";
import { Guest } from "../guest.test-kit.ts";
import { LINK_DOWN } from "./link-partner.ts";

const at = (register: number): number => OCP_STANDARD + 2 * register;
const linked = (): Guest => {
  const guest = new Guest();
  guest.nic.setCarrier(true);
  guest.clock.delay(2000);
  return guest;
};

test("the PHY has the registers that C drivers expect of an RTL8168H with a gigabit partner", () => {
  const guest = linked();
  const seen = [BMCR, BMSR, PHYID1, PHYID2, ANLPAR, GBSR, ESTATUS].map((r) => guest.phyRead(at(r)));
  assert.deepEqual(seen, [0x1140, 0x796d, 0x001c, 0xc800, 0xc5e1, 0x3c00, 0x2000]);
  // Page 0xa43, register 18: gigabit, full duplex.
  assert.equal(guest.phyRead(0xa434) & 0x638, 0x28);
});

test("without a partner there is no link, and nothing was negotiated", () => {
  const guest = new Guest();
  guest.clock.delay(10_000);
  assert.equal(guest.phyRead(at(BMSR)), 0x7949);
  assert.equal(guest.phyRead(at(ANLPAR)), 0);
  assert.equal(guest.r8(PHYstatus), 0);
});

test("the link bit latches low until it has been read", () => {
  const guest = linked();
  guest.nic.setCarrier(false);
  guest.nic.setCarrier(true);
  guest.clock.delay(2000);
  assert.equal(guest.phyRead(at(BMSR)) & Bmsr.linkUp, 0);
  assert.equal(guest.phyRead(at(BMSR)) & Bmsr.linkUp, Bmsr.linkUp);
});

test("the PHY negotiates the best mode that both ends support", () => {
  for (const [anar, gbcr, partner, speed, full] of [
    [0x1e1, 0x200, { anlpar: 0xc5e1, gbsr: Gbsr.full1000 }, 1000, true],
    [0x1e1, 0x000, { anlpar: 0xc5e1, gbsr: Gbsr.full1000 }, 100, true],
    [0x1e1, 0x200, { anlpar: Advertise.half100 | 1, gbsr: 0 }, 100, false],
    [Advertise.full10 | 1, 0, { anlpar: 0xc5e1, gbsr: 0 }, 10, true],
    [Advertise.half10 | 1, 0, { anlpar: 0xc5e1, gbsr: 0 }, 10, false],
  ] as const) {
    const guest = new Guest();
    guest.phyWrite(at(ANAR), anar);
    guest.phyWrite(at(GBCR), gbcr);
    guest.nic.setCarrier(true, partner);
    guest.clock.delay(2000);
    assert.deepEqual([guest.nic.link.up, guest.nic.link.speed, guest.nic.link.fullDuplex], [true, speed, full]);
  }
});

test("the PHY has no link when the two ends have no common mode", () => {
  const guest = new Guest();
  guest.phyWrite(at(ANAR), Advertise.full10 | 1);
  guest.phyWrite(at(GBCR), 0);
  guest.nic.setCarrier(true, { anlpar: Advertise.full100 | 1, gbsr: 0 });
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.up, false);
});

test("a restart takes the link down and up again, each with an interrupt event", () => {
  const guest = linked();
  guest.w16(IntrStatus, 0xffff);
  guest.phyWrite(at(BMCR), Bmcr.autonegotiate | Bmcr.restart);
  assert.equal(guest.nic.link.up, false);
  assert.equal(guest.r16(IntrStatus), Intr.linkChange);
  guest.w16(IntrStatus, Intr.linkChange);
  guest.clock.delay(2000);
  assert.equal(guest.nic.link.up, true);
  assert.equal(guest.r16(IntrStatus), Intr.linkChange);
  assert.equal(guest.phyRead(at(BMCR)) & Bmcr.restart, 0);
});

test("a powered-down PHY has no link, and a forced speed needs no negotiation", () => {
  const guest = linked();
  guest.phyWrite(at(BMCR), Bmcr.powerDown);
  guest.clock.delay(10_000);
  assert.equal(guest.nic.link.up, false);
  guest.phyWrite(at(BMCR), Bmcr.speedLow | Bmcr.fullDuplex);
  guest.clock.delay(3000);
  assert.deepEqual({ ...guest.nic.link }, { ...LINK_DOWN, up: true, speed: 100, fullDuplex: true });
});

test("reset takes time and clears itself; the advertisement and other pages are preserved", () => {
  const guest = linked();
  guest.phyWrite(at(ANAR), 1);
  guest.phyWrite(0xbcd0, 0x1234);
  guest.phyWrite(at(BMCR), Bmcr.reset);
  assert.equal(guest.phyRead(at(BMCR)) & Bmcr.reset, Bmcr.reset);
  guest.clock.delay(1000);
  assert.equal(guest.phyRead(at(BMCR)), 0x1140);
  assert.equal(guest.phyRead(at(ANAR)), 1);
  assert.equal(guest.phyRead(0xbcd0), 0x1234);
});

test("identity and status registers cannot be written", () => {
  const guest = linked();
  for (const register of [BMSR, PHYID1, PHYID2, ANLPAR, GBSR, ESTATUS]) {
    const before = guest.phyRead(at(register));
    guest.phyWrite(at(register), ~before & 0xffff);
    assert.equal(guest.phyRead(at(register)), before);
  }
});

test("an access takes time, and the flag shows its completion", () => {
  const guest = new Guest({ accessMicros: 20 });
  guest.w32(PHYOCP, at(PHYID1) << 15);
  assert.equal(guest.r32(PHYOCP) >= FLAG, false);
  guest.clock.delay(20);
  assert.equal(guest.r32(PHYOCP) >= FLAG, true);
  assert.equal(guest.r32(PHYOCP) & 0xffff, 0x001c);
  guest.w32(PHYOCP, FLAG + (0xbcd0 << 15) + 0x4321);
  assert.equal(guest.r32(PHYOCP) >= FLAG, true);
  guest.clock.delay(20);
  assert.equal(guest.r32(PHYOCP) >= FLAG, false);
});

test("a command before the last one has finished is an offence and replaces it", () => {
  const guest = new Guest({ accessMicros: 20 });
  guest.w32(PHYOCP, at(PHYID1) << 15);
  guest.w32(PHYOCP, at(PHYID2) << 15);
  guest.clock.delay(100);
  assert.equal(guest.nic.offences.busy, 1);
  assert.equal(guest.r32(PHYOCP) & 0xffff, 0xc800);
});

test("a PHY that does not respond leaves the flag unchanged, without an offence, until it responds again", () => {
  const guest = new Guest();
  guest.nic.setLatency("phy", Infinity);
  guest.w32(PHYOCP, at(PHYID1) << 15);
  guest.clock.delay(1_000_000);
  assert.equal(guest.r32(PHYOCP) >= FLAG, false);
  guest.w32(PHYOCP, FLAG + (0xbcd0 << 15) + 0x4321);
  guest.clock.delay(1_000_000);
  assert.equal(guest.r32(PHYOCP) >= FLAG, true);
  guest.nic.setLatency("phy", 0);
  assert.equal(guest.phyRead(0xbcd0), 0);
  assert.equal(guest.nic.offences.busy, 0);
});

test("two pairs of a cable carry 100 Mbit/s", () => {
  const guest = new Guest();
  guest.nic.setPairs(2);
  guest.nic.setCarrier(true);
  guest.clock.delay(2000);
  assert.equal(guest.nic.link.speed, 100);
  guest.nic.setPairs(4);
  guest.clock.delay(2000);
  assert.equal(guest.nic.link.speed, 1000);
});
