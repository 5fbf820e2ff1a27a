/** Paged PHYs: pages, the controller's memory, extension banks, clause 45 registers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed, type ChipKey } from "#chip/chips.ts";
import { BMCR, MMD_CONTROL, MMD_DATA, Mmd, PAGE, PHYID1, PHYID2 } from "#chip/phy.ts";
import { VirtualClock } from "#kit/clock.ts";
import { ANY_PARTNER } from "./link-partner.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { PagedPhy } from "./phy-paged.ts";
import { Phy } from "./phy.ts";
import { scheduleOn } from "../registers/schedule.ts";

const make = (key: ChipKey): { phy: Phy; paged: PagedPhy } => {
  const clock = new VirtualClock();
  const times = { negotiateMicros: 0, resetMicros: 0 };
  const phy = new Phy(phyKind(chipNamed(key)!), scheduleOn(clock, clock.timers), times, () => {});
  return { phy, paged: new PagedPhy(phy) };
};

test("a PHY shows the identity that drivers of each chip report", () => {
  for (const [key, high, low] of [
    ["rtl8169s", 0x001c, 0xc910],
    ["rtl8169sc-180", 0x001c, 0xc912],
    ["rtl8168c-3cx", 0x001c, 0xc912],
    ["rtl8168d-281", 0x001c, 0xc912],
    ["rtl8168e-2c0", 0x001c, 0xc914],
    ["rtl8168evl", 0x001c, 0xc915],
    ["rtl8168f-480", 0x001c, 0xc915],
    ["rtl8101e", 0x0000, 0x8201],
    ["rtl8102e-34x", 0x0000, 0x8201],
    ["rtl8105e-408", 0x001c, 0xc880],
    ["rtl8106e", 0x001c, 0xc880],
  ] as const) {
    const { paged } = make(key);
    assert.deepEqual([paged.read(PHYID1), paged.read(PHYID2)], [high, low], key);
  }
});

test("each page has its own registers at all numbers, so tuning on page 1 does not reset the PHY", () => {
  const { phy, paged } = make("rtl8169s");
  paged.write(PAGE, 1);
  paged.write(BMCR, 0xfa00);
  paged.write(24, 0x65c7);
  assert.equal(paged.read(BMCR), 0xfa00);
  paged.write(PAGE, 0);
  assert.equal(paged.read(BMCR), 0x1140);
  assert.equal(phy.state, 3);
  assert.equal(paged.read(24), 0);
  paged.write(PAGE, 1);
  assert.equal(paged.read(24), 0x65c7);
});

test("the controller's memory is accessed through a window whose address increments on writes", () => {
  const { paged } = make("rtl8168e-2c1");
  paged.write(PAGE, 5);
  paged.write(5, 0x8000);
  for (const word of [0x1122, 0x3344, 0x5566]) paged.write(6, word);
  paged.write(5, 0x8001);
  assert.equal(paged.read(6), 0x2233);
  assert.equal(paged.read(6), 0x2233);
  paged.write(6, 0xaabb);
  assert.equal(paged.read(5), 0x8003);
  paged.write(5, 0x8000);
  assert.equal(paged.read(6), 0x11aa);
});

test("8168D reports that it is ready for firmware, each revision with its own value", () => {
  for (const [key, word] of [
    ["rtl8168d-281", 0xbf00],
    ["rtl8168d-280", 0xb300],
  ] as const) {
    const { paged } = make(key);
    paged.write(PAGE, 5);
    paged.write(5, 0x001b);
    assert.equal(paged.read(6), word);
  }
});

test("registers of extension page 7 are in banks", () => {
  const { paged } = make("rtl8168f-481");
  paged.write(PAGE, 7);
  paged.write(30, 0x2d);
  paged.write(24, 0x0050);
  paged.write(30, 0x20);
  assert.equal(paged.read(24), 0);
  paged.write(30, 0x2d);
  assert.equal(paged.read(24), 0x0050);
});

test("clause 45 registers are accessed through registers 13 and 14, as in annex 22D", () => {
  const { phy, paged } = make("rtl8168evl");
  phy.plug(ANY_PARTNER);
  const read = (device: number, register: number): number => {
    paged.write(MMD_CONTROL, device);
    paged.write(MMD_DATA, register);
    paged.write(MMD_CONTROL, device | 0x4000);
    return paged.read(MMD_DATA);
  };
  assert.equal(read(Mmd.pcs, 20), 0x0006);
  assert.equal(read(Mmd.negotiation, 60), 0x0006);
  assert.equal(read(Mmd.negotiation, 61), 0x000e);
  assert.equal(phy.link.eee, true);
  paged.write(MMD_CONTROL, Mmd.negotiation);
  paged.write(MMD_DATA, 60);
  paged.write(MMD_CONTROL, Mmd.negotiation | 0x4000);
  paged.write(MMD_DATA, 0xffff);
  assert.equal(paged.read(MMD_DATA), 0x0006);
  paged.write(MMD_DATA, 0);
  assert.equal(read(Mmd.negotiation, 60), 0);
  // Function 2 of the MMD control register increments the address at every access.
  paged.write(MMD_CONTROL, Mmd.negotiation);
  paged.write(MMD_DATA, 60);
  paged.write(MMD_CONTROL, Mmd.negotiation | 0x8000);
  assert.deepEqual([paged.read(MMD_DATA), paged.read(MMD_DATA)], [0, 0x000e]);
});

test("gigabit PHYs without clause 45 have tuning registers at 13 and 14; Fast Ethernet PHYs have no registers there", () => {
  const gigabit = make("rtl8168c-3c0").paged;
  gigabit.write(MMD_CONTROL, 0x0020);
  assert.equal(gigabit.read(MMD_CONTROL), 0x0020);
  const fast = make("rtl8102e-34x").paged;
  fast.write(MMD_DATA, 20);
  assert.equal(fast.read(MMD_DATA), 0);
});

test("register 17 of the gigabit PHYs reports the negotiated mode", () => {
  const { phy, paged } = make("rtl8168c-3c2");
  assert.equal(paged.read(17), 0);
  phy.plug(ANY_PARTNER);
  assert.equal(paged.read(17), 0xac00);
});

test("the command word of PHYAR has the register number and the data", () => {
  const { paged } = make("rtl8168b");
  assert.equal(paged.mdio(PHYID2 << 16, false), (PHYID2 << 16) | 0xc912);
  paged.mdio((0x14 << 16) | 0x8020, true);
  assert.equal(paged.mdio(0x14 << 16, false) & 0xffff, 0x8020);
});
