import assert from "node:assert/strict";
import { test } from "node:test";
import { closest, didYouMean } from "./usage.ts";

const NAMES = ["demo", "up", "down", "model chips", "doctor"];

test("the intended word is suggested after a typing error", () => {
  assert.equal(closest("dmeo", NAMES), "demo", "swapped");
  assert.equal(closest("docto", NAMES), "doctor", "one missing");
  assert.equal(closest("downn", NAMES), "down", "one too many");
  assert.equal(closest("pu", NAMES), "up", "short words too");
});

test("if only the beginning of a word was typed, the word is suggested", () =>
  assert.equal(closest("model", NAMES), "model chips"));

test("nothing is suggested if no word is similar", () => {
  assert.equal(closest("frobnicate", NAMES), undefined);
  assert.equal(closest("", NAMES), undefined);
  assert.equal(didYouMean("xyzzy", NAMES, "See --help."), "See --help.");
});

test("the search for a similar word is quick for very long words", () =>
  assert.equal(closest("x".repeat(1e6), NAMES), undefined));
