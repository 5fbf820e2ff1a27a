/**
 * Detects accidental changes of register writes: compares them with `register-writes.json`, which `register-writes.ts`
 * has written.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CHIPS_UNDER_TEST } from "../rigs/generations.ts";
import { CONFIGURATIONS, RECORDED, digestsOf } from "./register-writes.ts";

const recorded = JSON.parse(readFileSync(RECORDED, "utf8")) as Readonly<Record<string, string>>;

for (const configuration of CONFIGURATIONS.filter(({ options }) =>
  CHIPS_UNDER_TEST.some(({ key }) => key === options.chip),
))
  test(`${configuration.name}: each feature makes the recorded writes, in their order and at their times`, () => {
    assert.deepEqual(
      digestsOf(configuration),
      recorded[configuration.name]?.split(", "),
      "the writes have changed: see register-writes.ts",
    );
  });

test("writes are recorded for every configuration, and for no other", () =>
  assert.deepEqual(
    Object.keys(recorded),
    CONFIGURATIONS.map(({ name }) => name),
  ));
