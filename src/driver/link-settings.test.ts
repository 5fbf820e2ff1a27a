/** The link settings of the RTL8139C+, whose PHY has five registers; the software model does not implement this chip. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LEGACY_CHIPS } from "#chip/chips.ts";
import { checkLinkSettings, defaultLinkSettings, type LinkSettings, supportedModes } from "./link-settings.ts";

const CHIP = LEGACY_CHIPS[0]!;
const check = (change: Partial<LinkSettings>): LinkSettings =>
  checkLinkSettings(CHIP, false, { ...defaultLinkSettings(CHIP, false), ...change });

test("an RTL8139C+ supports 10 and 100 Mbit/s, negotiated or forced, and pause in both directions or none", () => {
  assert.deepEqual(
    supportedModes(CHIP, false).map(({ name }) => name),
    ["10baseT/Half", "10baseT/Full", "100baseT/Half", "100baseT/Full"],
  );
  check({});
  check({ autonegotiate: false, speed: 100, fullDuplex: false });
  check({ pause: { autonegotiate: true, receive: true, transmit: true } });
  check({ pause: { autonegotiate: false, receive: false, transmit: false } });
  for (const change of [
    { pause: { autonegotiate: true, receive: true, transmit: false } },
    { pause: { autonegotiate: true, receive: false, transmit: true } },
    { masterSlave: "forced-master" },
    { crossover: "mdi" },
    { downshift: true },
    { fastRetrain: true },
    { advertise: ["1000baseT/Full"] },
    { autonegotiate: false, speed: 1000 },
  ] as const)
    assert.throws(() => check(change), { code: "BAD_LINK_SETTING", hint: /./ }, JSON.stringify(change));
});
