/**
 * Tests the settings of Energy-Efficient Ethernet, ALDPS and giga-lite on one chip of each die. A chip that lacks one
 * of these features must reject its settings.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EEE_MODES } from "#chip/eee.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { partnerOf } from "#model/phy/link-partner.ts";
import { CHIPS_UNDER_TEST } from "../rigs/generations.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";

const ABLE = CHIPS_UNDER_TEST.filter(({ profile }) => profile.eee !== undefined);

const relink = (rig: DirectRig): void => {
  rig.pass(20_000);
  rig.poll();
};
const linked = (chip: string): DirectRig => {
  const rig = openDirectRig({ chip });
  rig.up();
  relink(rig);
  return rig;
};

const word = (words: Readonly<Record<string, number>>, at: number): number => words[`0x${at.toString(16)}`] ?? 0;

/** Whether the MAC's registers let it idle between frames. */
const idles = (rig: DirectRig): boolean => {
  const { words, on } = rig.nic.chip.profile.eee!.idle;
  const { eri, macOcp } = rig.model.state;
  const set = words.map(([at, bits]) => word(on === "eri" ? eri : macOcp, at) & bits);
  assert.ok(set.every((bits, i) => bits === 0 || bits === words[i]![1]));
  assert.equal(new Set(set.map((bits) => bits !== 0)).size, 1);
  return set[0] !== 0;
};
const timer = (rig: DirectRig): number => {
  const { address, on } = rig.nic.chip.profile.eee!.timer!;
  return on === "mac" ? word(rig.model.state.macOcp, address) : (rig.model.state.registers["EEE_TXIDLE_TIMER"] ?? 0);
};

for (const chip of ABLE)
  describe(chip.key, () => {
    test("EEE is initially as under Linux, and each mode that is advertised alone makes the MAC idle at its speed", () => {
      using rig = linked(chip.key);
      const { powerSaving } = rig.nic;
      assert.equal(powerSaving.eee.enabled, chip.profile.eee!.onByDefault);
      const { supported } = powerSaving.eee;
      assert.ok(supported.length > 0);
      for (const name of supported) {
        const { speed } = EEE_MODES.find((mode) => mode.name === name)!;
        powerSaving.setEee({ enabled: true, advertise: [name] });
        rig.nic.phy.set({ advertise: [name] });
        relink(rig);
        assert.equal(rig.nic.link.speed, speed);
        assert.deepEqual([powerSaving.eee.active, powerSaving.eee.advertise, idles(rig)], [true, [name], true], name);
        assert.equal(rig.model.link.eee, true);
        assert.ok(powerSaving.eee.partner.includes(name));
        powerSaving.setEee({ txLpi: false });
        assert.deepEqual([powerSaving.eee.active, idles(rig)], [true, false]);
        powerSaving.setEee({ txLpi: true });
        assert.equal(idles(rig), true);
        const others = supported.filter((other) => other !== name);
        if (others.length > 0) powerSaving.setEee({ advertise: others });
        else powerSaving.setEee({ enabled: false });
        relink(rig);
        assert.deepEqual([powerSaving.eee.active, idles(rig), rig.model.link.eee], [false, false, false], name);
      }
    });

    test("while EEE is off, it is not advertised; while it is on, its chosen modes are; both settings survive an MTU change, down and up", () => {
      using rig = linked(chip.key);
      const { powerSaving } = rig.nic;
      const offered = (): number => {
        const { clause45 } = rig.model.state;
        return word(clause45, 0x7003c) | word(clause45, 0x7003e);
      };
      for (const enabled of [false, true]) {
        powerSaving.setEee({ enabled });
        const check = (): void => {
          relink(rig);
          assert.equal(rig.nic.link.up, true);
          assert.equal(powerSaving.eee.enabled, enabled);
          assert.equal(offered() !== 0, enabled);
          if (!enabled) assert.equal(idles(rig), false);
        };
        check();
        rig.nic.setMtu(1400);
        check();
        rig.nic.down();
        rig.model.powerCycle();
        rig.nic.up();
        check();
      }
    });

    test("with a partner without EEE the MAC does not idle", () => {
      using rig = openDirectRig({ chip: chip.key, carrier: false });
      rig.nic.powerSaving.setEee({ enabled: true });
      rig.up();
      rig.model.setCarrier(true, partnerOf({ eee: false }));
      relink(rig);
      const { active, partner } = rig.nic.powerSaving.eee;
      assert.deepEqual([active, partner, idles(rig)], [false, [], false]);
    });

    test("the time before the MAC idles follows the MTU until a user sets it, in microseconds at the speed of the link", () => {
      using rig = linked(chip.key);
      const { powerSaving } = rig.nic;
      if (chip.profile.eee!.timer === undefined) {
        assert.throws(() => powerSaving.setEee({ txLpiTimer: 100 }), { code: "BAD_LINK_SETTING", hint: /no register/ });
        assert.equal(powerSaving.eee.actualTimer, undefined);
        return;
      }
      assert.equal(timer(rig), 1500 + 46);
      rig.nic.setMtu(1000);
      relink(rig);
      assert.equal(timer(rig), 1000 + 46);
      const { speed } = rig.nic.link;
      powerSaving.setEee({ txLpiTimer: 20 });
      assert.equal(timer(rig), (20 * speed) / 8);
      assert.equal(powerSaving.eee.actualTimer, 20);
      rig.nic.phy.set({ advertise: ["100baseT/Full"] });
      relink(rig);
      assert.equal(timer(rig), 250);
      powerSaving.setEee({ txLpiTimer: 5242 });
      assert.equal(timer(rig), 65_525);
      for (const txLpiTimer of [-1, 5243, Number.NaN])
        assert.throws(() => powerSaving.setEee({ txLpiTimer }), { code: "BAD_LINK_SETTING", hint: /0 to 5242/ });
      assert.equal(powerSaving.eee.txLpiTimer, 5242);
    });

    test("unsupported settings are rejected, and the previous setting stays", () => {
      using rig = linked(chip.key);
      const { powerSaving } = rig.nic;
      const before = powerSaving.eee;
      const { supported } = before;
      for (const { name } of EEE_MODES)
        if (!supported.includes(name))
          assert.throws(() => powerSaving.setEee({ advertise: [name] }), { code: "BAD_LINK_SETTING", hint: /Choose/ });
      assert.throws(() => powerSaving.setEee({ enabled: true, advertise: [] }), { code: "BAD_LINK_SETTING" });
      assert.deepEqual(powerSaving.eee, before);
    });
  });

// A paged PHY enables EEE in extension 0x20 register 0x15 and in parameter 0x8b85, any other PHY in PHY-OCP 0xa432
// (Realtek's re_enable_EEE).
for (const [chip, space, address, bit, off] of [
  ["rtl8168evl", "phyExtension", 0x2015, 1 << 8, 0],
  // The model's state lists the PHY's memory in bytes, the high byte of a word first, so bit 13 of the parameter is bit
  // 5 of this byte.
  ["rtl8168evl", "phyMemory", 0x8b85, 1 << 5, 0],
  ["rtl8168f-480", "phyExtension", 0x2015, 1 << 8, 0],
  ["rtl8168g", "phy", 0xa432, 1 << 4, 0],
  ["rtl8168h", "phy", 0xa432, 1 << 4, 0],
  ["rtl8125a", "phy", 0xa432, 1 << 4, 0],
  ["rtl8125d-689", "phy", 0xa432, 1 << 4, 1 << 4],
] as const)
  test(`${chip}: EEE is turned on and off in the PHY's ${space}, at 0x${address.toString(16)}`, () => {
    using rig = linked(chip);
    for (const enabled of [false, true, false]) {
      rig.nic.powerSaving.setEee({ enabled });
      assert.equal(word(rig.model.state[space], address) & bit, enabled ? bit : off);
    }
  });

for (const chip of CHIPS_UNDER_TEST.filter(({ profile }) => profile.eee === undefined))
  test(`${chip.key} has no EEE: it reports that, and rejects settings`, () => {
    using rig = linked(chip.key);
    const { powerSaving } = rig.nic;
    assert.deepEqual([powerSaving.eee.supported, powerSaving.eee.enabled, powerSaving.eee.active], [[], false, false]);
    assert.throws(() => powerSaving.setEee({ enabled: true }), { code: "BAD_LINK_SETTING", hint: /No driver/ });
  });

const PHY_OCP = { aldps: 0xa430, giga: 0xa428, faster: 0xa5ea };
for (const chip of CHIPS_UNDER_TEST) {
  const ocp = phyKind(chip).registers === "ocp";
  const bits = (rig: DirectRig): readonly number[] => [
    word(rig.model.state.phy, PHY_OCP.aldps) & (1 << 2),
    word(rig.model.state.phy, PHY_OCP.giga) & (1 << 9),
    word(rig.model.state.phy, PHY_OCP.faster) & 7,
  ];
  test(`${chip.key}: ALDPS and giga-lite are off by default; on chips with a register for them, they can be switched, also across a reset`, () => {
    using rig = linked(chip.key);
    const { powerSaving } = rig.nic;
    if (ocp) {
      assert.deepEqual(bits(rig), [0, 0, 0]);
      powerSaving.setAldps(true);
      assert.equal(bits(rig)[0], 1 << 2);
      rig.nic.setMtu(1400);
      assert.equal(bits(rig)[0], 1 << 2);
      powerSaving.setAldps(false);
      assert.equal(bits(rig)[0], 0);
      assert.equal(rig.nic.expiredWaits.count, 0);
    } else assert.throws(() => powerSaving.setAldps(true), { code: "BAD_LINK_SETTING" });
    assert.equal(powerSaving.aldps, false);
    const { gigaLite } = chip.profile;
    if (gigaLite === undefined || chip.speed < 1000) {
      assert.throws(() => powerSaving.setGigaLite(true), { code: "BAD_LINK_SETTING" });
      assert.equal(powerSaving.gigaLite, undefined);
      return;
    }
    powerSaving.setGigaLite(true);
    rig.nic.setMtu(1500);
    const faster = { 1000: 0, 2500: 1, 5000: 3, 10_000: 7 }[chip.speed]!;
    const die = gigaLite.find(([at]) => at === PHY_OCP.faster)?.[1] ?? 0;
    assert.ok(faster <= die);
    assert.deepEqual(bits(rig).slice(1), [1 << 9, die]);
    powerSaving.setGigaLite(false);
    assert.deepEqual(bits(rig).slice(1), [0, 0]);
  });
}

test("an RTL8127ATF rejects EEE and ALDPS, which its SerDes does not have", () => {
  using rig = openDirectRig({ chip: "rtl8127a", medium: "fibre" });
  rig.up();
  assert.throws(() => rig.nic.powerSaving.setEee({ enabled: true }), { code: "BAD_LINK_SETTING" });
  assert.throws(() => rig.nic.powerSaving.setAldps(true), { code: "BAD_LINK_SETTING" });
});
