/** Tests that chips are found by the marking on the package. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipsCalled, chipsNear } from "./board-names.ts";
import type { Chip } from "./chips.ts";

const keys = (chips: readonly Chip[]): string => chips.map(({ key }) => key.slice(3)).join(" ");

for (const [text, found] of [
  ["RTL8111HS-CG", "8168h"],
  ["Realtek RTL8125BG", "8125b"],
  ["r8168h", "8168h"],
  ["rtl8168h-100", "8168h-100"],
  ["8111fp", "8117-54b 8117-54a"],
  ["RTL8168d", "8168d-281 8168d-280"],
  ["8111gs", "8168g"],
  ["toString", ""],
  ["e1000", ""],
] as const)
  test(`${text} is ${found || "no chip of the family"}`, () => assert.equal(keys(chipsCalled(text)), found));

for (const [text, found] of [
  ["8126", "8126a-64a 8126a-649"],
  ["8125bp9", "8125bp"],
  ["8402x", "8402"],
  ["812", ""],
  ["9999", ""],
] as const)
  test(`names close to ${text}: ${found || "none"}`, () => assert.equal(keys(chipsNear(text)), found));
