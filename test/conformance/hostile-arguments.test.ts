/**
 * Passes arbitrary arguments to ethtool operations, as any client of the control socket may. Each operation must be
 * executed, or be rejected without effect.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { OPERATIONS } from "#app/ethtool/groups.ts";
import { OffloadSwitches } from "#app/offload-switches.ts";
import { type Argument, isArgument } from "#app/argument.ts";
import type { Operated } from "#app/operations.ts";
import { checkLinkSettings } from "#driver/link-settings.ts";
import { FerruleError } from "#kit/errors.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";

/**
 * The names of arguments that each operation accepts. Most generated calls use them, so that they pass the check of
 * names.
 */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  setLink: ["speed", "duplex", "autoneg", "advertise", "wol", "mdix", "master-slave"],
  setPause: ["autoneg", "rx", "tx"],
  setRings: ["rx", "tx"],
  setSpread: ["equal", "key"],
  setCoalesce: ["adaptive-rx", "adaptive-tx", "rx-usecs", "rx-frames", "tx-usecs", "tx-frames"],
  setEee: ["eee", "advertise", "tx-lpi", "tx-timer"],
  setFeatures: ["rx-checksum", "tx-tcp-segmentation", "rx-fcs", "rx-vlan-hw-parse", "highdma"],
  identify: ["seconds"],
  eeprom: ["offset", "length"],
  selfTest: ["offline"],
};
const TEXTS = [
  ..."full half auto on off mdix 0x3f 0x800000000000 g d pumbg gd gg s banana forced-master preferred-slave".split(" "),
  "",
  "__proto__",
  "constructor",
  "toString",
  "-1",
  "0x",
  "NaN",
  "1e3",
  "\0",
  "é".repeat(300),
];
const NUMBERS = [
  0,
  -0,
  1,
  2,
  3,
  4,
  10,
  100,
  256,
  512,
  1000,
  2500,
  4096,
  -1,
  0.5,
  1e-9,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  1e308,
];

const value = fc.oneof(
  fc.constantFrom(...TEXTS),
  fc.constantFrom(...NUMBERS),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.array(fc.constantFrom(...NUMBERS, 255), { maxLength: 41 }),
  fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 40, maxLength: 40 }),
);
const named = (names: readonly string[]) =>
  fc.dictionary(fc.constantFrom(...names, ...(names.length === 0 ? ["x", "__proto__"] : [])), value, { maxKeys: 4 });
const call = fc
  .constantFrom(...Object.keys(OPERATIONS))
  .chain((operation) =>
    fc.tuple(fc.constant(operation), fc.oneof({ weight: 5, arbitrary: named(NAMES[operation] ?? []) }, named(TEXTS))),
  );

const operatedOf = ({ nic, device }: DirectRig): Operated => {
  const tap = { withInterfaces: () => new Map() } as unknown as Operated["tap"];
  return {
    nic,
    device,
    tap,
    switches: new OffloadSwitches({ nic, tap, changed: () => {} }),
    rebuild: (_, act) => act(),
    withoutHost: () => ({ [Symbol.dispose]: () => {} }),
    queueCounts: () => [],
  };
};

/** Runs an operation to its end. */
const carryOut = (rig: DirectRig, on: Operated, operation: string, argument: Argument): object => {
  const answer = OPERATIONS[operation]!(on, argument);
  if (!("next" in answer)) return answer;
  for (const steps = answer as Generator<number | void, object>; ;) {
    const { done, value: next } = steps.next();
    if (done === true) return next;
    rig.pass(next ?? 0);
  }
};

const settingsOf = ({ nic, switches }: Operated): object => ({
  running: nic.running,
  link: nic.phy.settings,
  wake: nic.wake.armed,
  eee: { ...nic.powerSaving.eee, active: undefined, partner: undefined, actualTimer: undefined },
  moderation: [nic.moderation.wanted, nic.moderation.adaptive],
  rss: nic.rss?.settings,
  slots: nic.slots,
  switches: switches.uplink,
  leds: nic.leds.rules,
});

const assertValid = ({ nic, switches }: Operated): void => {
  assert.ok(nic.running);
  checkLinkSettings(nic.chip, nic.phy.cage, nic.phy.settings);
  const { advertise, supported, enabled } = nic.powerSaving.eee;
  assert.ok(advertise.every((name) => supported.includes(name)) && typeof enabled === "boolean");
  assert.ok(Number.isInteger(Math.log2(nic.slots)));
  assert.ok(nic.rss === undefined || nic.rss.settings.table.every((queue) => queue < nic.queues.length));
  for (const { micros, frames } of [nic.moderation.wanted.receive, nic.moderation.wanted.transmit])
    assert.ok(micros >= 0 && Number.isInteger(frames) && frames >= 0);
  assert.ok(Object.values(switches.uplink).every((on) => typeof on === "boolean"));
};

for (const [chip, queues] of [
  ["rtl8169sc-180", 1],
  ["rtl8168h", 1],
  ["rtl8125b", 4],
] as const)
  test(`${chip}: every operation executes any argument, or rejects it with a typed error and no effect`, () => {
    using rig = openDirectRig({ chip, nic: { queues } });
    rig.up();
    const on = operatedOf(rig);
    let refused = 0;
    let done = 0;
    fc.assert(
      fc.property(call, ([operation, argument]) => {
        fc.pre(isArgument(argument));
        const before = settingsOf(on);
        try {
          carryOut(rig, on, operation, argument);
          done++;
        } catch (error) {
          assert.ok(error instanceof FerruleError && error.hint !== "", String(error));
          assert.deepEqual(settingsOf(on), before);
          refused++;
        }
        assertValid(on);
      }),
      { numRuns: 600 },
    );
    assert.ok(done > 50 && refused > 50, `${done} operations were executed, ${refused} rejected`);
  });

test("every operation with an argument rejects unknown names and types of values", () => {
  using rig = openDirectRig({ chip: "rtl8125b", nic: { queues: 4 } });
  rig.up();
  const on = operatedOf(rig);
  for (const [operation, names] of Object.entries(NAMES)) {
    for (const bad of [{ nonsense: 1 }, Object.fromEntries(names.map((name) => [name, [0.5]]))])
      assert.throws(() => carryOut(rig, on, operation, bad), { code: "OUT_OF_RANGE" }, operation);
  }
});

test("link and wake-up are set together or not at all, and a hexadecimal mask may have bits above bit 31", () => {
  using rig = openDirectRig({ chip: "rtl8125b" });
  rig.up();
  const on = operatedOf(rig);
  const before = settingsOf(on);
  for (const argument of [
    { wol: "g", speed: 77 },
    { wol: "s", speed: 100 },
    { wol: "g", autoneg: false, speed: 1000 },
    { "master-slave": "banana" },
    { mdix: "banana" },
    { duplex: "banana", autoneg: false, speed: 100 },
    { advertise: "banana" },
  ]) {
    assert.throws(() => carryOut(rig, on, "setLink", argument), FerruleError, JSON.stringify(argument));
    assert.deepEqual(settingsOf(on), before);
  }
  carryOut(rig, on, "setEee", { advertise: "0x800000000000" });
  assert.deepEqual(rig.nic.powerSaving.eee.advertise, ["2500baseT/Full"]);
});
