/** PHYs in OCP space: the registers that C drivers read for identity, link and microcontroller. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chipNamed, type ChipKey } from "#chip/chips.ts";
import { VirtualClock } from "#kit/clock.ts";
import { ANY_PARTNER, LINK_SPEEDS, partnerOf } from "./link-partner.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { OcpPhy } from "./phy-ocp.ts";
import { Phy } from "./phy.ts";
import { scheduleOn } from "../registers/schedule.ts";

const make = (key: ChipKey): { phy: Phy; space: OcpPhy } => {
  const clock = new VirtualClock();
  const times = { negotiateMicros: 0, resetMicros: 0 };
  const phy = new Phy(phyKind(chipNamed(key)!), scheduleOn(clock, clock.timers), times, () => {});
  return { phy, space: new OcpPhy(phy) };
};

test("a PHY shows the identity that drivers of each chip report, and the speeds above a gigabit", () => {
  for (const [key, id, pma] of [
    ["rtl8168g", 0xc800, 0],
    ["rtl8168ep", 0xc800, 0],
    ["rtl8117-54a", 0xc800, 0],
    ["rtl8125a", 0xc800, 0x2000],
    ["rtl8125b", 0xc840, 0x2000],
    ["rtl8125d-688", 0xc841, 0x2000],
    ["rtl8126a-649", 0xc862, 0x6000],
    ["rtl8127a", 0xc890, 0x6001],
  ] as const) {
    const { space } = make(key);
    assert.deepEqual([space.read(0xa404), space.read(0xa406), space.read(0xa616)], [0x001c, id, pma], key);
  }
});

test("clause 45 registers are not accessible through registers 13 and 14", () => {
  const { space } = make("rtl8125b");
  space.write(0xa41a, 3);
  space.write(0xa41c, 20);
  space.write(0xa41a, 0x4003);
  assert.equal(space.read(0xa41c), 0);
  assert.equal(space.read(0xa5c4), 0x0006);
});

test("the status register encodes every speed as Linux decodes it", () => {
  const { phy, space } = make("rtl8127a");
  assert.equal(space.read(0xa434), 0);
  for (const [speed, bits] of [
    [10, 0x000],
    [100, 0x010],
    [1000, 0x020],
    [2500, 0x210],
    [5000, 0x220],
    [10000, 0x200],
  ] as const) {
    phy.plug(partnerOf({ speeds: [speed] }));
    assert.equal(space.read(0xa434), bits | 0xe, `${speed}`);
  }
  phy.plug(partnerOf({ speeds: [100], negotiates: false }));
  assert.equal(space.read(0xa434), 0x16);
});

test("the speeds advertised above 1 Gbit/s determine the link", () => {
  const { phy, space } = make("rtl8127a");
  for (const [advertised, speed] of [
    [0x1180, 10000],
    [0x0180, 5000],
    [0x0080, 2500],
    [0x0000, 1000],
  ] as const) {
    space.write(0xa5d4, advertised);
    phy.plug(ANY_PARTNER);
    assert.equal(phy.link.speed, speed);
    assert.equal(space.read(0xa5d6), 0x3860);
  }
  assert.deepEqual([space.read(0xa6ec), space.read(0xa6d4), space.read(0xa6d0)], [3, 3, 3]);
});

test("a patch request is granted at once, until it is withdrawn", () => {
  const { space } = make("rtl8168h");
  assert.equal(space.read(0xb800) & 0x40, 0);
  space.write(0xb820, 0x10);
  assert.equal(space.read(0xb800) & 0x40, 0x40);
  space.write(0xb820, 0);
  assert.equal(space.read(0xb800) & 0x40, 0);
});

test("both memories of the controller keep written words; a write to a firmware port keeps the address", () => {
  const { space } = make("rtl8125b");
  for (const [address, data] of [
    [0xa436, 0xa438],
    [0xb87c, 0xb87e],
  ] as const) {
    space.write(address, 0x801e);
    space.write(data, 0x0026);
    assert.equal(space.read(address), 0x8020);
    space.write(address, 0x801e);
    assert.equal(space.read(data), 0x0026);
    space.write(address, 0xa014);
    for (const word of [0x1800, 0x8010, 0x1800]) space.write(data, word);
    assert.equal(space.read(address), 0xa014);
  }
});

test("MDIO accesses the same registers through pages", () => {
  const { space } = make("rtl8168g");
  const write = (register: number, value: number): number => space.mdio((register << 16) | value, true);
  const read = (register: number): number => space.mdio(register << 16, false) & 0xffff;
  assert.equal(read(3), 0xc800);
  write(31, 0xbcc);
  write(20, 0x1234);
  assert.equal(space.read(0xbcc8), 0x1234);
  assert.deepEqual([read(31), read(3), read(20)], [0xbcc, 0xc800, 0x1234]);
  write(31, 0);
  assert.equal(read(20), 0);
  fc.assert(
    fc.property(fc.nat(31), fc.nat(0xffff), fc.boolean(), (register, value, writing) => {
      const word = space.mdio((register << 16) | value, writing);
      assert.equal((word >>> 16) & 31, register);
    }),
  );
});

test("the controller clears the bit by which drivers check that it runs", () => {
  const { space } = make("rtl8125b");
  space.write(0xb87a, 0xffff);
  assert.equal(space.read(0xb87a), 0xfffe);
});

test("any value may be written to any address", () => {
  const { space, phy } = make("rtl8126a-64a");
  phy.plug(ANY_PARTNER);
  fc.assert(
    fc.property(fc.nat(0x7fff), fc.nat(0xffff), (half, value) => {
      space.write(2 * half, value);
      const back = space.read(2 * half);
      assert.ok(back >= 0 && back <= 0xffff);
    }),
  );
  assert.ok(LINK_SPEEDS.includes(phy.link.speed as 10) || phy.link.speed === 0);
});
