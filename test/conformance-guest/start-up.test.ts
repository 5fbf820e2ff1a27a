/**
 * For chips that are older than the RTL8168G, our driver writes the same start-up values in the same order as Linux's
 * driver.
 */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { compare, BEFORE_8168G } from "../derive/compare.ts";
import { type Traced, traceLinux } from "../derive/linux.ts";
import { noRig } from "../guest/available.ts";
import { GRID_VARIABLE } from "./grid.ts";

/** The chips whose start-up values have no source other than Linux, and one chip of each other kind. */
const SOME = ["rtl8102e-348", "rtl8168cp-3c8", "rtl8168c-3c3", "rtl8169sc-180", "rtl8168d-281", "rtl8168evl"];
const LIMIT_MILLIS = 3_600_000;

describe("start-up", { skip: noRig(), timeout: LIMIT_MILLIS }, () => {
  const chips = process.env[GRID_VARIABLE] === undefined ? SOME.map((key) => chipNamed(key)!) : BEFORE_8168G;
  let traced: Traced | undefined;
  before(async () => {
    traced = await traceLinux(chips, "6.12");
  });

  for (const chip of chips)
    test(`${chip.key} gets the same writes from our driver as from Linux's`, () => {
      const compared = compare(chip, traced!.chips.get(chip)!);
      // Every chip except the RTL8101E has PHY tuning or MAC values, so its trace must contain changes.
      if (chip.key !== "rtl8101e") assert.ok(compared.some(({ derived }) => derived.changes.length > 0));
      assert.deepEqual(
        compared.flatMap(({ phase, differences }) => differences.map((line) => `${phase} ${line}`)),
        [],
      );
    });
});
