import assert from "node:assert/strict";
import { test } from "node:test";
import { LEGACY_CHIPS, CHIPS, type Chip, type Clues, chipNamed, chipOf, PCI_IDS, xidOf } from "./chips.ts";

// Typed in from lists of the identifications of real cards, not copied from chips.ts: XID, name, firmware.
// prettier-ignore
// oxfmt-ignore
const REPORTED = [
  [0x6c9, "RTL8127A", "rtl8127a-1"],
  [0x64a, "RTL8126A", "rtl8126a-3"],
  [0x649, "RTL8126A", "rtl8126a-2"],
  [0x681, "RTL8125BP", "rtl8125bp-2"],
  [0x708, "RTL8125CP", "rtl8125cp-1"],
  [0x68b, "RTL9151A", "rtl9151a-1"],
  [0x68a, "RTL8125K", "rtl8125k-1"],
  [0x689, "RTL8125D", "rtl8125d-2"],
  [0x688, "RTL8125D", "rtl8125d-1"],
  [0x641, "RTL8125B", "rtl8125b-2"],
  [0x609, "RTL8125A", "rtl8125a-3"],
  [0x54b, "RTL8168fp/RTL8117", ""],
  [0x54a, "RTL8168fp/RTL8117", "rtl8168fp-3"],
  [0x502, "RTL8168ep/8111ep", ""],
  [0x541, "RTL8168h/8111h", "rtl8168h-2"],
  [0x6c0, "RTL8168M", "rtl8168h-2"],
  [0x5c8, "RTL8411b", "rtl8411-2"],
  [0x509, "RTL8168gu/8111gu", "rtl8168g-3"],
  [0x4c0, "RTL8168g/8111g", "rtl8168g-2"],
  [0x488, "RTL8411", "rtl8411-1"],
  [0x481, "RTL8168f/8111f", "rtl8168f-2"],
  [0x480, "RTL8168f/8111f", "rtl8168f-1"],
  [0x2c8, "RTL8168evl/8111evl", "rtl8168e-3"],
  [0x2c1, "RTL8168e/8111e", "rtl8168e-1"],
  [0x2c0, "RTL8168e/8111e", "rtl8168e-2"],
  [0x281, "RTL8168d/8111d", "rtl8168d-1"],
  [0x280, "RTL8168d/8111d", "rtl8168d-2"],
  [0x28a, "RTL8168dp/8111dp", ""],
  [0x28b, "RTL8168dp/8111dp", ""],
  [0x3c9, "RTL8168cp/8111cp", ""],
  [0x3c8, "RTL8168cp/8111cp", ""],
  [0x3ca, "RTL8168cp/8111cp", ""],
  [0x3c0, "RTL8168c/8111c", ""],
  [0x3c2, "RTL8168c/8111c", ""],
  [0x3c3, "RTL8168c/8111c", ""],
  [0x3c1, "RTL8168c/8111c", ""],
  [0x380, "RTL8168b/8111b", ""],
  [0x448, "RTL8106e", "rtl8106e-1"],
  [0x440, "RTL8402", "rtl8402-1"],
  [0x409, "RTL8105e", "rtl8105e-1"],
  [0x408, "RTL8105e", "rtl8105e-1"],
  [0x349, "RTL8102e", ""],
  [0x249, "RTL8102e", ""],
  [0x348, "RTL8102e", ""],
  [0x248, "RTL8102e", ""],
  [0x240, "RTL8401", ""],
  [0x34a, "RTL8102e/RTL8103e", ""],
  [0x24a, "RTL8102e/RTL8103e", ""],
  [0x340, "RTL8101e/RTL8100e", ""],
  [0x980, "RTL8169sc/8110sc", ""],
  [0x180, "RTL8169sc/8110sc", ""],
  [0x100, "RTL8169sb/8110sb", ""],
  [0x040, "RTL8110s", ""],
  [0x008, "RTL8169s", ""],
] as const;

for (const [xid, name, firmware] of REPORTED)
  test(`XID ${xid.toString(16).padStart(3, "0")} is ${name}`, () => {
    const chip = chipOf(xid);
    assert.equal(chip?.name, name);
    assert.equal(chip.firmware, firmware === "" ? undefined : `rtl_nic/${firmware}.fw`);
  });

test("the 54 identifications lead to 54 different rows", () => {
  assert.equal(REPORTED.length, 54);
  assert.equal(new Set(REPORTED.map(([xid]) => chipOf(xid))).size, 54);
});

const macOcp = (registers: Record<number, number>) => ({
  device: 0x8168,
  macOcp: (at: number) => registers[at] ?? 0,
});
const refuse = () => assert.fail("read");

test("nine chips are identified by more than their XID", () => {
  assert.equal(CHIPS.length, 63);
  assert.equal(chipOf(0x509, { device: 0x8136 })?.name, "RTL8106eus");
  assert.equal(chipOf(0x509, { device: 0x8168 })?.name, "RTL8168gu/8111gu");
  assert.equal(chipOf(0x541, { device: 0x8136 })?.name, "RTL8107e");
  assert.equal(chipOf(0x541, { device: 0x8168 })?.name, "RTL8168h/8111h");
  assert.equal(chipOf(0x7c8, { extended: () => 0x8000_0000 })?.name, "RTL9151AS");
  assert.equal(chipOf(0x7c8, { extended: () => 1 }), undefined);
  assert.equal(chipOf(0x7c8), undefined);
  // DPDK r8169_hw.c: with PCI device 8162 these chips are limited to 1 Gbit/s.
  for (const [xid, name] of [
    [0x609, "RTL8168KB"],
    [0x641, "RTL8168KB"],
    [0x689, "RTL8168KD"],
    [0x688, "RTL8125D"],
  ] as const)
    assert.equal(chipOf(xid, { device: 0x8162 })?.name, name);
  assert.equal(chipOf(0x541, macOcp({ 0xdc00: 0xff87 }))?.key, "rtl8168h");
  assert.equal(chipOf(0x541, macOcp({ 0xd006: 0x01ff }))?.key, "rtl8168h-100");
  assert.equal(chipOf(0x541, macOcp({ 0xd006: 0x03ff }))?.key, "rtl8168h-300");
  assert.equal(chipOf(0x541, macOcp({ 0xdc00: 0xffb7 }))?.key, "rtl8116af");
  assert.equal(chipOf(0x541, macOcp({ 0xdc00: 0x0030, 0xd006: 0x0101 }))?.key, "rtl8168h-100");
});

test("registers are read for identification only if a row with that XID requires it", () => {
  for (let xid = 0; xid <= 0xfff; xid++) {
    if ((xid & 0x7cf) === 0x541) continue;
    chipOf(xid, { device: 0x8168, macOcp: refuse, ...((xid & 0x7cf) === 0x7c8 ? {} : { extended: refuse }) });
  }
});

test("an exact row takes precedence over a masked row that also matches", () => {
  // prettier-ignore
  // oxfmt-ignore
  for (const [xid, key] of [
    [0x2c1, "rtl8168e-2c1"], [0x2c0, "rtl8168e-2c0"], [0x2c7, "rtl8168e-2c0"], [0x2c9, "rtl8168evl"],
    [0x281, "rtl8168d-281"], [0x282, "rtl8168d-280"], [0x28a, "rtl8168dp-28a"],
    [0x3c8, "rtl8168cp-3c8"], [0x3cf, "rtl8168cp-3cx"], [0x3c3, "rtl8168c-3c3"], [0x3c7, "rtl8168c-3cx"],
    [0x409, "rtl8105e-409"], [0x40a, "rtl8105e-408"],
    [0x240, "rtl8401"], [0x349, "rtl8102e-349"], [0x34f, "rtl8102e-34x"], [0x24b, "rtl8102e-24x"],
    [0x54b, "rtl8117-54b"], [0x541, "rtl8168h"], [0x6c0, "rtl8168m"],
  ] as const) assert.equal(chipOf(xid)?.key, key, xid.toString(16));
});

test("neither an unknown identification nor a removed card matches a chip", () => {
  for (const xid of [0x000, 0x001, 0x300, 0x540, 0x542, 0x640, 0x6ca, 0x7c8, 0xfcf])
    assert.equal(chipOf(xid), undefined);
});

test("keys are unique and find their row; an unknown key finds none", () => {
  assert.equal(new Set(CHIPS.map(({ key }) => key)).size, CHIPS.length);
  for (const chip of CHIPS) {
    assert.match(chip.key, /^rtl[0-9a-z]+(-[0-9a-fx]{3})?$/);
    assert.equal(chipNamed(chip.key), chip);
  }
  assert.equal(chipNamed("rtl8139"), undefined);
  assert.equal(chipNamed("toString"), undefined);
});

/** Clues that satisfy all conditions of a row. */
const cluesOf = ({ only }: Chip): Clues => ({
  ...(only?.device === undefined ? {} : { device: only.device }),
  extended: () => only?.extended ?? -1,
  macOcp: (address) => only?.macOcp?.find(([at]) => at === address)?.[2] ?? 0,
});
const CLUES = CHIPS.map(cluesOf);

test("every row can be the match, its XID lies within its mask, and its mask lies within the XID's bits of TxConfig", () => {
  for (const row of CHIPS) {
    assert.equal(row.xid & ~row.mask, 0, row.key);
    assert.equal(row.mask & ~0xfcf, 0, row.key);
  }
  const reached = new Set<Chip | undefined>();
  for (let xid = 0; xid <= 0xfff; xid++) for (const clues of [{}, ...CLUES]) reached.add(chipOf(xid & 0xfcf, clues));
  for (const row of CHIPS) assert.ok(reached.has(row), row.key);
});

test("each chip has an XID that leads back to it", () => {
  for (const row of CHIPS as readonly Chip[]) {
    assert.equal(chipOf(xidOf(row), cluesOf(row))?.key, row.key);
  }
  assert.equal(xidOf(chipNamed("rtl8168h")!), 0x541);
  assert.equal(xidOf(chipNamed("rtl8168evl")!), 0x2c9);
  assert.equal(xidOf(chipNamed("rtl8168c-3cx")!), 0x3c1);
  assert.equal(xidOf(chipNamed("rtl8102e-34x")!), 0x34a);
});

test("the RTL8139C+ is found by its unique XID, and cannot be selected for a model", () => {
  // FreeBSD if_rlreg.h: RL_HWREV_8139CPLUS.
  assert.equal(chipOf((0x7480_0000 >>> 20) & 0xfcf)?.key, "rtl8139cp");
  for (const { key, xid } of LEGACY_CHIPS) {
    assert.equal(
      (CHIPS as readonly Chip[]).find((row) => (xid & row.mask) === row.xid),
      undefined,
    );
    assert.equal(chipNamed(key), undefined);
  }
  // 8139, 8139A, 8139B, 8130, 8139C, 8139D, 8101, 8100: these chips have no descriptors.
  for (const revision of [0x600, 0x700, 0x780, 0x7c0, 0x740, 0x744, 0x74c, 0x788])
    assert.equal(chipOf(revision), undefined);
});

test("each row's die, speed, MTU, interrupts and PHY access fit together", () => {
  for (const row of CHIPS as readonly Chip[]) {
    if (row.bus === "pci") assert.ok(row.die === "8169" || row.die === "8169s", row.key);
    if (row.speed === 100) assert.equal(row.largestMtu, 1500, row.key);
    if (row.speed > 1000) assert.ok(row.profile.phyAccess === "ocp" && row.largestMtu === 16362, row.key);
    if (row.profile.frames.transmitFormat === 1) assert.equal(row.interrupts, "intx", row.key);
    if (row.profile.phyAccess === "mdio-gated") assert.match(row.die, /^8168dp/, row.key);
  }
});

test("no PCI identity is listed twice", () => {
  const seen = PCI_IDS.map((id) => JSON.stringify(id));
  assert.equal(seen.length, 23);
  assert.equal(new Set(seen).size, seen.length);
});
