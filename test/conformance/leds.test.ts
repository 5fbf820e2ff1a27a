/**
 * Tests the LEDs of each die: the rules by which they light, which must survive a power cycle, and the blinking by
 * which a user finds the card.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CHIPS_UNDER_TEST } from "../rigs/generations.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";

const linked = (chip: string): DirectRig => {
  const rig = openDirectRig({ chip });
  rig.up();
  return rig;
};
const refused = { code: "BAD_LINK_SETTING", hint: /./ } as const;

for (const chip of CHIPS_UNDER_TEST.filter(({ profile }) => profile.leds !== "patterns"))
  describe(chip.key, () => {
    test("each LED shows the configured speeds and traffic, also after a reset", () => {
      using rig = linked(chip.key);
      const { leds } = rig.nic;
      assert.equal(leds.count, chip.profile.leds === "words" ? 4 : 3);
      const { speed } = rig.nic.link;
      const lit = leds.speeds.includes(speed);
      for (let led = 0; led < leds.count; led++) {
        leds.set(led, { speeds: leds.speeds, activity: false });
        assert.deepEqual(rig.model.leds[led], { lit, activity: false });
        leds.set(led, { speeds: [], activity: true });
        assert.deepEqual(rig.model.leds[led], { lit: false, activity: true });
        leds.set(led, { speeds: [leds.speeds[led % leds.speeds.length]!], activity: led === 1 });
      }
      const rules = [...leds.rules];
      for (const [led, rule] of rules.entries())
        assert.deepEqual(rule, { speeds: [leds.speeds[led % leds.speeds.length]!], activity: led === 1 });
      rig.nic.down();
      rig.model.powerCycle();
      rig.up();
      assert.deepEqual(leds.rules, rules);
    });

    test("rejects unsupported LEDs, speeds and combinations without effect", () => {
      using rig = linked(chip.key);
      const { leds } = rig.nic;
      leds.set(0, { speeds: [100], activity: true });
      const before = leds.rules;
      assert.throws(() => leds.set(leds.count, { speeds: [], activity: false }), refused);
      assert.throws(() => leds.set(0, { speeds: [10_000], activity: false }), refused);
      assert.throws(() => leds.set(0, { speeds: [20], activity: false }), refused);
      if (chip.profile.leds === "nibbles" && chip.speed === 1000)
        assert.throws(() => leds.set(0, { speeds: leds.speeds, activity: true }), { ...refused, hint: /Leave one/ });
      assert.throws(() => leds.setPattern(1), refused);
      assert.equal(leds.pattern, undefined);
      assert.deepEqual(leds.rules, before);
    });

    test("blinks for the given time, and then returns to its previous state, also if aborted", () => {
      using rig = linked(chip.key);
      const { leds } = rig.nic;
      leds.set(1, { speeds: [100], activity: true });
      const before = leds.rules;
      const shown = (): boolean[] => rig.model.leds.map(({ lit }) => lit);
      if (!leds.speeds.includes(rig.nic.link.speed)) {
        assert.throws(() => leds.identify(2), { ...refused, hint: /2500 Mbit/ });
        return;
      }
      const seen: string[] = [];
      let waited = 0;
      const operation = leds.identify(1.75);
      for (let step = operation.next(); step.done !== true; step = operation.next()) {
        waited += step.value;
        assert.equal(new Set(shown()).size, 1, "all LEDs must be lit or dark together");
        seen.push(shown()[0]! ? "lit" : "dark");
      }
      assert.deepEqual([seen, waited], [["lit", "dark", "lit", "dark"], 1_750_000]);
      assert.deepEqual(leds.rules, before);
      assert.deepEqual([...leds.identify(1)], [500_000, 500_000], "no step follows the last half second");
      const early = leds.identify(100);
      early.next();
      assert.notDeepEqual(leds.rules, before);
      early.return();
      assert.deepEqual(leds.rules, before);
    });

    test("does not blink without a link, while the NIC is down, or for a time that is not positive", () => {
      using rig = openDirectRig({ chip: chip.key, carrier: false });
      assert.throws(() => rig.nic.leds.identify(1), { ...refused, message: /no link/ });
      rig.up();
      assert.throws(() => rig.nic.leds.identify(1), { ...refused, message: /no link/ });
      for (const seconds of [0, -1, Number.NaN]) assert.throws(() => rig.nic.leds.identify(seconds), refused);
    });
  });

for (const chip of CHIPS_UNDER_TEST.filter(({ profile }) => profile.leds === "patterns"))
  test(`${chip.key}: one of four patterns is set for all LEDs, and kept; rules and blinking are rejected`, () => {
    using rig = linked(chip.key);
    const { leds } = rig.nic;
    for (const pattern of [1, 2, 3, 0, 2]) {
      leds.setPattern(pattern);
      assert.equal(leds.pattern, pattern);
    }
    rig.nic.down();
    rig.model.powerCycle();
    rig.up();
    assert.equal(leds.pattern, 2);
    assert.deepEqual([leds.count, leds.rules, leds.speeds], [0, [], []]);
    for (const pattern of [4, -1, 0.5]) assert.throws(() => leds.setPattern(pattern), refused);
    assert.throws(() => leds.set(0, { speeds: [100], activity: false }), { ...refused, hint: /pattern/ });
    assert.throws(() => leds.identify(1), { ...refused, hint: /turns all of them off/ });
  });
