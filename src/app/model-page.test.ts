import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { modelChip, modelPage } from "./model-page.ts";

test("an unknown chip key is an error with a hint, not a crash", () => {
  for (const key of ["", "rtl9999", "constructor"])
    assert.throws(() => modelChip(key), { code: "OUT_OF_RANGE", hint: /model chips/ });
});

test("every chip's registers fit into the shared page, whose last word is free for the count of events", () => {
  for (const { key } of CHIPS) {
    const chip = modelChip(key);
    const { bytes, eventsWord, registers } = modelPage(chip);
    assert.ok(bytes >= chip.profile.function.windowBytes && bytes % 4096 === 0, key);
    assert.equal(4 * eventsWord, bytes - 4, key);
    assert.equal(registers, chip.profile.function.registersBar, key);
  }
});
