/** Tests each ASPM policy on PCI Express chips: the chip's settings, the reason for them, and the state of the link. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TESTED } from "#chip/aspm.ts";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { Config2, Config5 } from "#chip/registers.ts";
import { INT_CFG0 } from "#chip/registers-8125.ts";
import { ASPM_POLICIES, type AspmPolicy } from "#driver/aspm.ts";
import { SideBus } from "#driver/side-bus.ts";
import { BadAspm } from "#driver/errors.ts";
import { rw16 } from "#kit/mmio.ts";
import { openDirectRig } from "../rigs/direct.ts";
import { DIES } from "../rigs/generations.ts";

const chips: readonly Chip[] = CHIPS;
const L1 = 2;

/** Opens a NIC. By default its link may enter L1, and its board is marked as validated. */
const open = (
  chip: Chip,
  { aspm, link = L1, tested = true }: { aspm?: AspmPolicy; link?: number; tested?: boolean } = {},
) => {
  const rig = openDirectRig({ chip: chip.key, nic: aspm === undefined ? {} : { aspm } });
  const { registers: io, device, nic } = rig;
  const { expressAt } = chip.profile.function;
  const control = rw16(expressAt + 16);
  if (expressAt !== 0) device.config.update16(control, 3, link);
  const side = new SideBus(io, rig.clock);
  if (chip.aspm?.marked === true && tested) side.macWrite(TESTED.address, 1);
  rig.up();
  const byIntCfg0 = ["8125cp", "8126", "8127"].some(
    (die) => chip.profile === chips.find((row) => row.die === die)!.profile,
  );
  return {
    nic,
    side,
    link: (): number => device.config.read16(control) & 3,
    /** The chip's present settings of ASPM and clock request. */
    switches: (): readonly boolean[] => [
      (io.read8(Config5) & 1) !== 0,
      byIntCfg0 ? (io.read8(INT_CFG0) & 8) !== 0 : (io.read8(Config2) & 0x80) !== 0,
    ],
    [Symbol.dispose]: () => rig[Symbol.dispose](),
  };
};

/** One PCI Express chip of each die, and chips whose ASPM differs from that of others of their die. */
const onExpress = chips.filter(
  (chip) => chip.bus === "pcie" && (DIES.includes(chip) || /^rtl(8168gu|8106eus|8117-54b|8168ep)$/.test(chip.key)),
);

test("`auto` follows the system's setting of the link if the board is marked as validated", () => {
  for (const chip of onExpress) {
    const marked = chip.aspm?.marked === true;
    for (const [link, tested, wanted] of [
      [L1, true, marked],
      [L1, false, false],
      [0, true, false],
    ] as const) {
      using rig = open(chip, { link, tested });
      assert.deepEqual(
        rig.switches(),
        [wanted, wanted],
        `${chip.key}, link ${link}, board ${tested ? "validated" : "not validated"}`,
      );
      const { policy, allowed, because } = rig.nic.aspm.state;
      assert.deepEqual([policy, allowed], ["auto", wanted], chip.key);
      assert.match(because, /\w{3}/);
      assert.equal(rig.link(), link, "the system's setting must not change");
    }
  }
});

test("`off` disables ASPM in the chip and in Link Control", () => {
  for (const chip of onExpress) {
    using rig = open(chip, { aspm: "off" });
    assert.deepEqual(rig.switches(), [false, false], chip.key);
    assert.equal(rig.nic.aspm.state.allowed, false);
    assert.equal(rig.link(), 0, chip.key);
    assert.equal(rig.nic.aspm.state.link, "none");
  }
});

test("`full` enables ASPM on any board, and it stays enabled across an MTU change", () => {
  for (const chip of onExpress.filter(({ aspm, key }) => aspm !== undefined && !STALLING.includes(key))) {
    using rig = open(chip, { aspm: "full", link: 0, tested: false });
    assert.deepEqual(rig.switches(), [true, true], chip.key);
    assert.equal(rig.nic.aspm.state.link, "none", "Link Control must not change");
    rig.nic.setMtu(1400);
    assert.deepEqual(rig.switches(), [true, true], chip.key);
    rig.nic.aspm.set("off", true);
    assert.deepEqual(rig.switches(), [false, false], chip.key);
    rig.nic.aspm.set("auto", true);
    assert.deepEqual(rig.switches(), [false, false], chip.key);
  }
});

const STALLING: readonly string[] = ["rtl8168gu", "rtl8106eus"];

test("the policy `full` is rejected on chips without ASPM, and the previous one stays", () => {
  const refusing = onExpress.filter(({ aspm, key }) => aspm === undefined || STALLING.includes(key));
  assert.ok(refusing.length > 8);
  for (const chip of refusing) {
    using rig = open(chip, { aspm: "off" });
    assert.throws(() => rig.nic.aspm.set("full", true), BadAspm, chip.key);
    assert.equal(rig.nic.aspm.state.policy, "off");
    assert.deepEqual(rig.switches()[0], false, chip.key);
    assert.throws(() => openDirectRig({ chip: chip.key, nic: { aspm: "full" } }), BadAspm, chip.key);
  }
});

test("the chip enters L1.2 by itself from the 8168H on, except 8168EP and 8117, and not while ASPM is off", () => {
  for (const chip of onExpress.filter(({ aspm }) => aspm?.marked === true)) {
    using rig = open(chip);
    const starts = !/^rtl(8168ep|8117)/.test(chip.key);
    assert.equal(rig.side.macRead(0xe092) & 0xff, starts ? 4 : 0, chip.key);
    rig.nic.aspm.set("off", true);
    assert.equal(rig.side.macRead(0xe092) & 0xff, 0, chip.key);
  }
});

test("a transmit time-out disables ASPM until a policy is set", () => {
  const chip = chips.find(({ key }) => key === "rtl8168h")!;
  for (const policy of ASPM_POLICIES.filter((each) => each !== "off")) {
    using rig = open(chip, { aspm: policy });
    assert.equal(rig.nic.aspm.state.allowed, true);
    rig.nic.aspm.noteFinding("transmitTimeout");
    rig.nic.reset();
    assert.deepEqual(rig.switches(), [false, false]);
    assert.match(rig.nic.aspm.state.because, /timed out/);
    rig.nic.aspm.set(policy, true);
    assert.deepEqual(rig.switches(), [true, true]);
  }
});

test("the events on which the chip leaves L1 are enabled while the NIC is up, and disabled when it is stopped", () => {
  for (const chip of onExpress) {
    if (chip.aspm === undefined || chip.aspm.stopped.length === 0) continue;
    using rig = open(chip);
    const later = chip.profile.registers.includes("multigigabit");
    const exits = (): number => (later ? rig.side.macRead(0xc0ac) : rig.side.eriRead(0xd4)) & 0x1f80;
    assert.notEqual(exits(), 0, chip.key);
    rig.nic.down();
    assert.equal(exits(), 0, chip.key);
    rig.nic.up();
    assert.notEqual(exits(), 0, chip.key);
  }
});
