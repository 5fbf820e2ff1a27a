/**
 * Tests link settings that a user makes: their effect on the link, which settings are rejected, and that the accepted
 * ones survive a restart of the NIC.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { FIBRE_MODES, LINK_MODES, type LinkModeName, modesOf } from "#chip/link-modes.ts";
import { phyKind } from "#chip/phy-kinds.ts";
import { ANAR, BMCR, Bmcr, GBCR, Gbcr } from "#chip/phy.ts";
import type { LinkSettings } from "#driver/link-settings.ts";
import { type LinkSpeed, type Partner, partnerOf } from "#model/phy/link-partner.ts";
import { type DirectRig, type DirectRigOptions, openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { CHIPS_UNDER_TEST, GENERATIONS } from "../rigs/generations.ts";

const ALL: readonly Chip[] = CHIPS;
const COPPER = CHIPS_UNDER_TEST.filter(({ profile }) => profile.phy.hidesLink !== true);

/** Plugs the cable in, if a partner is given, and lets 20 ms pass, in which the link comes up if it can. */
const relink = (rig: DirectRig, partner?: Partner): void => {
  if (partner !== undefined) rig.model.setCarrier(true, partner);
  rig.pass(20_000);
  rig.poll();
  rig.nic.refreshLink();
};

const linked = (options: DirectRigOptions, partner?: Partner): DirectRig => {
  const rig = openDirectRig({ ...options, carrier: false });
  rig.up();
  relink(rig, partner ?? partnerOf());
  return rig;
};

const mode = (rig: DirectRig): string => {
  const { up, speed, fullDuplex } = rig.nic.link;
  return up ? `${speed} ${fullDuplex ? "full" : "half"}` : "down";
};

const passes = (rig: DirectRig): boolean => {
  rig.sent.length = 0;
  rig.send(udp(ends(), payload(100)));
  rig.deliver(udp(ends({ inbound: true }), payload(100)));
  return rig.sent.length === 1 && rig.poll().length === 1;
};

/** Asserts that a setting is rejected, and that this changes neither settings nor registers. */
const refuses = (rig: DirectRig, change: Partial<LinkSettings>, message: RegExp): void => {
  const { phy } = rig.nic;
  const before = { settings: phy.settings, state: rig.model.state.phy, link: rig.nic.link };
  assert.throws(
    () => phy.set(change),
    { code: "BAD_LINK_SETTING", message: message, hint: /./ },
    JSON.stringify(change),
  );
  assert.deepEqual({ settings: phy.settings, state: rig.model.state.phy, link: rig.nic.refreshLink() }, before);
};

for (const chip of COPPER)
  describe(chip.key, () => {
    const modes = modesOf(chip);

    test("each mode of the chip, advertised alone, is the mode of the link", () => {
      using rig = linked({ chip: chip.key });
      for (const { name, speed, fullDuplex } of modes) {
        rig.nic.phy.set({ advertise: [name] });
        relink(rig);
        assert.equal(mode(rig), `${speed} ${fullDuplex ? "full" : "half"}`, name);
        assert.deepEqual(rig.nic.phy.report().advertised, [name]);
        assert.ok(passes(rig), name);
      }
    });

    test("if both ends are forced to the same mode of 10 or 100 Mbit/s, the link comes up without negotiation", () => {
      using rig = linked({ chip: chip.key });
      for (const speed of [10, 100] as const)
        for (const fullDuplex of [false, true]) {
          rig.nic.phy.set({ autonegotiate: false, speed, fullDuplex });
          relink(rig, partnerOf({ speeds: [speed], negotiates: false, duplex: fullDuplex ? "full" : "half" }));
          assert.equal(mode(rig), `${speed} ${fullDuplex ? "full" : "half"}`);
          assert.deepEqual(rig.nic.phy.report().advertised, []);
          assert.deepEqual(rig.nic.phy.report().partner, []);
          assert.ok(passes(rig));
        }
      rig.nic.phy.set({ autonegotiate: true });
      relink(rig, partnerOf());
      assert.equal(rig.nic.link.speed, chip.speed);
    });

    test("unsupported settings are rejected before anything is written", () => {
      using rig = linked({ chip: chip.key });
      const names = modes.map(({ name }) => name);
      for (const { name } of [...LINK_MODES, ...FIBRE_MODES])
        if (!names.includes(name)) refuses(rig, { advertise: [name] }, new RegExp(`advertising ${name}`));
      refuses(rig, { advertise: [] }, /without advertised modes/);
      for (const speed of [0, 1000, 2500, 10_000, 50])
        refuses(rig, { autonegotiate: false, speed }, /without autonegotiation/);
      refuses(rig, { pause: { autonegotiate: false, receive: true, transmit: false } }, /pause without/);
      const { crossover, downshift, estatus, multigigabit } = phyKind(chip);
      if (crossover === undefined) refuses(rig, { crossover: "mdix" }, /MDI/);
      if (downshift === undefined) refuses(rig, { downshift: false }, /downshift/);
      if (estatus === 0) refuses(rig, { masterSlave: "forced-master" }, /clock role/);
      if (multigigabit === 0) refuses(rig, { fastRetrain: true }, /fast retrain/);
    });
  });

for (const chip of GENERATIONS)
  describe(chip, () => {
    const rates = modesOf(ALL.find(({ key }) => key === chip)!);

    test("settings made before `up` apply at `up`, and survive an MTU change, down, up and a chip reset", () => {
      using rig = openDirectRig({ chip, carrier: false });
      const { phy } = rig.nic;
      phy.set({ advertise: ["10baseT/Full", "100baseT/Half"] });
      phy.setPause({ receive: false });
      const check = (): void => {
        relink(rig, partnerOf());
        assert.equal(mode(rig), "100 half");
        assert.equal(phy.read(ANAR), 0x00c1 + 0x0800);
      };
      rig.up();
      check();
      rig.nic.setMtu(1400);
      check();
      rig.nic.down();
      rig.model.powerCycle();
      rig.up();
      check();
    });

    test("advertises pause as set: table 28B-2 of IEEE 802.3", () => {
      using rig = linked({ chip });
      const { phy } = rig.nic;
      for (const [receive, transmit, offered, symmetric, asymmetric] of [
        [true, true, 0x400, true, false],
        [true, false, 0xc00, true, true],
        [false, true, 0x800, false, true],
        [false, false, 0, false, false],
      ] as const) {
        phy.setPause({ receive, transmit });
        assert.equal(phy.read(ANAR) & 0xc00, offered);
        assert.deepEqual(phy.report().advertisedPause, { symmetric, asymmetric });
        relink(rig, partnerOf({ pause: "both" }));
        const resolved = { receive: symmetric, transmit: transmit && (symmetric || asymmetric) };
        assert.deepEqual(rig.nic.link.pause, receive && !transmit ? { receive: true, transmit: true } : resolved);
        assert.deepEqual(phy.report().partnerPause, { symmetric: true, asymmetric: true });
      }
      phy.setPause({ autonegotiate: false });
      assert.equal(phy.read(ANAR) & 0xc00, 0);
    });

    test("counts link losses, also between two checks, and idle errors at 1000 Mbit/s", () => {
      using rig = linked({ chip });
      const { phy } = rig.nic;
      assert.equal(phy.statistics().linkLosses, 0);
      rig.model.setCarrier(false);
      rig.nic.refreshLink();
      relink(rig, partnerOf());
      assert.equal(phy.statistics().linkLosses, 1);
      rig.model.setCarrier(false);
      relink(rig, partnerOf());
      rig.nic.refreshLink();
      assert.equal(phy.statistics().linkLosses, 2);
      if (!rates.some(({ speed }) => speed === 1000)) {
        assert.equal(phy.statistics().idleErrors, undefined);
        return;
      }
      phy.set({ advertise: ["1000baseT/Full"] });
      relink(rig);
      assert.equal(phy.statistics().idleErrors, 0);
      rig.model.disturbIdle(7);
      phy.report();
      rig.model.disturbIdle(1000);
      assert.equal(phy.statistics().idleErrors, 7 + 255);
      assert.equal(phy.statistics().idleErrors, 7 + 255);
    });

    test("the link report has the modes of both ends", () => {
      using rig = linked({ chip }, partnerOf({ speeds: [10, 100, 2500], duplex: "full" }));
      const { supported, advertised, partner, port } = rig.nic.phy.report();
      assert.equal(port, "copper");
      assert.deepEqual(
        supported,
        rates.map(({ name }) => name),
      );
      assert.deepEqual(
        advertised,
        supported.filter((name) => name !== "1000baseT/Half"),
      );
      const both: readonly LinkModeName[] = ["10baseT/Full", "100baseT/Full", "2500baseT/Full"];
      assert.deepEqual(
        partner,
        both.filter((name) => supported.includes(name)),
      );
    });

    test("restarting autonegotiation takes the link down and up; it is rejected if autonegotiation or the NIC is off", () => {
      using rig = linked({ chip });
      rig.nic.phy.restart();
      assert.equal(rig.nic.refreshLink().up, false);
      relink(rig);
      assert.equal(rig.nic.link.up, true);
      rig.nic.phy.set({ autonegotiate: false, speed: 100 });
      assert.throws(() => rig.nic.phy.restart(), { code: "BAD_LINK_SETTING", hint: /Turn autonegotiation on/ });
      rig.nic.phy.set({ autonegotiate: true });
      rig.nic.down();
      assert.throws(() => rig.nic.phy.restart(), { code: "BAD_LINK_SETTING", hint: /Bring the NIC up/ });
    });

    test("after the cable is unplugged and plugged, the link comes back as before", () => {
      using rig = linked({ chip });
      const before = rig.nic.link;
      for (let i = 0; i < 3; i++) {
        rig.model.setCarrier(false);
        rig.poll();
        assert.equal(mode(rig), "down");
        assert.deepEqual(rig.nic.phy.report().partner, []);
        rig.model.setCarrier(true);
        rig.pass(20_000);
        rig.poll();
        assert.deepEqual(rig.nic.link, before);
        assert.ok(passes(rig));
      }
    });
  });

const GIGABIT = GENERATIONS.filter((key) => {
  const { estatus, crossover } = phyKind(ALL.find((chip) => chip.key === key)!);
  return estatus !== 0 && crossover !== undefined;
});
for (const chip of GIGABIT)
  describe(`${chip}: 1000BASE-T and faster`, () => {
    /** See IEEE 802.3, 40.5.2. If both ends have the same preference, the model's partner becomes master. */
    test("master and slave are resolved from the settings of both ends", () => {
      using rig = linked({ chip });
      const roles = ["preferred-slave", "preferred-master", "forced-slave", "forced-master"] as const;
      const results = {
        "preferred-slave": ["slave", "slave", "master", "slave"],
        "preferred-master": ["master", "slave", "master", "slave"],
        "forced-slave": ["slave", "slave", "fault", "slave"],
        "forced-master": ["master", "master", "master", "fault"],
      } as const;
      const speeds = modesOf(ALL.find(({ key }) => key === chip)!).filter(({ speed }) => speed >= 1000);
      for (const { speed } of speeds)
        for (const masterSlave of roles)
          for (const [i, clock] of roles.entries()) {
            rig.nic.phy.set({ masterSlave });
            relink(rig, partnerOf({ clock, speeds: [speed as LinkSpeed] }));
            const result = results[masterSlave][i]!;
            const name = `${speed}: ${masterSlave}, partner ${clock}`;
            assert.equal(rig.nic.phy.report().clock, result, name);
            assert.equal(rig.nic.link.up, result !== "fault", name);
          }
    });

    test("with manual MDI or MDI-X, the link comes up if the two ends differ, and the report shows the setting", () => {
      using rig = linked({ chip });
      for (const crossover of ["auto", "mdi", "mdix"] as const)
        for (const socket of [undefined, "mdi", "mdix"] as const) {
          rig.nic.phy.set({ crossover });
          relink(rig, partnerOf(socket === undefined ? {} : { socket }));
          const ours = crossover === "auto" ? (socket === "mdi" ? "mdix" : "mdi") : crossover;
          assert.equal(rig.nic.link.up, ours !== socket, `${crossover}, partner ${socket}`);
          if (rig.nic.link.up) assert.equal(rig.nic.phy.report().crossover, ours);
        }
    });

    const { downshift } = phyKind(ALL.find(({ key }) => key === chip)!);
    test(
      "a cable of two pairs carries 100 Mbit/s with downshift, and nothing without",
      {
        skip: downshift === undefined && "no register for downshift is known on this PHY",
      },
      () => {
        using rig = linked({ chip });
        assert.equal(rig.nic.phy.report().lowered, false);
        rig.model.setPairs(2);
        relink(rig);
        assert.equal(mode(rig), "100 full");
        assert.equal(rig.nic.phy.report().lowered, true);
        rig.nic.phy.set({ downshift: false });
        relink(rig);
        assert.equal(mode(rig), "down");
        rig.nic.phy.set({ downshift: true });
        relink(rig);
        assert.equal(mode(rig), "100 full");
      },
    );
  });

test("fast retrain is advertised at the advertised speeds above 1000, and not changed until it is set", () => {
  using rig = linked({ chip: "rtl8127a" });
  const offered = (): number => rig.model.state.clause45["0x70020"]! & 0x62;
  const before = offered();
  rig.nic.phy.set({ advertise: ["1000baseT/Full", "2500baseT/Full", "10000baseT/Full"] });
  assert.equal(offered(), before);
  rig.nic.phy.set({ fastRetrain: true });
  assert.equal(offered(), 0x22);
  rig.nic.phy.set({ fastRetrain: false });
  assert.equal(offered(), 0);
});

test("pause cannot be set with jumbo frames, is not advertised while they are enabled, and is restored afterwards", () => {
  using rig = linked({ chip: "rtl8168h" });
  const { phy } = rig.nic;
  phy.setPause({ transmit: false });
  rig.nic.setMtu(9000);
  assert.equal(phy.read(ANAR) & 0xc00, 0);
  refuses(rig, { pause: { autonegotiate: true, receive: true, transmit: true } }, /jumbo/);
  rig.nic.setMtu(1500);
  assert.equal(phy.read(ANAR) & 0xc00, 0xc00);
});

test("an RTL8116af has the one speed of its transceiver, and rejects every other setting", () => {
  using rig = linked({ chip: "rtl8116af" });
  assert.deepEqual(rig.nic.phy.report(), {
    port: "fibre",
    supported: ["1000baseX/Full"],
    advertised: ["1000baseX/Full"],
    partner: [],
    advertisedPause: { symmetric: true, asymmetric: true },
    partnerPause: { symmetric: false, asymmetric: false },
    clock: "slave",
    crossover: rig.nic.phy.report().crossover,
    lowered: false,
  });
  refuses(rig, { autonegotiate: false, speed: 100 }, /without autonegotiation/);
  refuses(rig, { masterSlave: "forced-master" }, /clock role/);
  refuses(rig, { crossover: "mdi" }, /MDI/);
});

test("an RTL8127ATF runs its module at 10000 or 1000 Mbit/s, and rejects settings that a module does not have", () => {
  using rig = linked({ chip: "rtl8127a", medium: "fibre" });
  const { phy } = rig.nic;
  assert.equal(mode(rig), "10000 full");
  assert.deepEqual([phy.report().port, phy.report().supported], ["fibre", ["1000baseX/Full", "10000baseSR/Full"]]);
  phy.set({ speed: 1000 });
  relink(rig);
  assert.equal(mode(rig), "1000 full");
  assert.ok(passes(rig));
  rig.nic.setMtu(1400);
  relink(rig);
  assert.equal(mode(rig), "1000 full");
  refuses(rig, { autonegotiate: true }, /SFP/);
  refuses(rig, { speed: 100 }, /100 Mbit/);
  refuses(rig, { masterSlave: "forced-slave" }, /clock role/);
  refuses(rig, { crossover: "mdi" }, /MDI/);
  phy.set({ speed: 10_000 });
  relink(rig);
  assert.equal(mode(rig), "10000 full");
});

test("a PHY with unusual settings is not mistaken for one that lost its settings; one that lost them is detected", () => {
  using rig = linked({ chip: "rtl8168evl" });
  const { phy } = rig.nic;
  for (const change of [
    { autonegotiate: false, speed: 100 },
    { autonegotiate: true, advertise: ["1000baseT/Half"] },
  ] as const) {
    phy.set(change);
    assert.equal(phy.lost, false);
  }
  phy.set({ advertise: ["1000baseT/Full"] });
  assert.equal(phy.lost, false);
  phy.write(GBCR, Gbcr.full1000 | Gbcr.half1000);
  assert.equal(phy.lost, true);
  phy.set({});
  assert.equal(phy.lost, false);
  phy.write(BMCR, Bmcr.isolate | Bmcr.autonegotiate);
  assert.equal(phy.lost, true);
});

test("forcing a mode turns autonegotiation off, and sets no bit of BMCR other than those of the mode", () => {
  using rig = linked({ chip: "rtl8168h" });
  rig.nic.phy.set({ autonegotiate: false, speed: 100, fullDuplex: true });
  assert.equal(rig.nic.phy.read(BMCR), Bmcr.speedLow | Bmcr.fullDuplex);
  rig.nic.phy.set({ speed: 10, fullDuplex: false });
  assert.equal(rig.nic.phy.read(BMCR), 0);
});
