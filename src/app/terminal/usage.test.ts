import assert from "node:assert/strict";
import { test } from "node:test";
import { closest, didYouMean } from "./usage.ts";

const NAMES = ["demo", "up", "down", "model chips", "doctor"];

test("finds the word that was meant behind a slip of the fingers", () => {
  assert.equal(closest("dmeo", NAMES), "demo", "swapped");
  assert.equal(closest("docto", NAMES), "doctor", "one missing");
  assert.equal(closest("downn", NAMES), "down", "one too many");
  assert.equal(closest("pu", NAMES), "up", "short words too");
});

test("finds the word that was begun", () => assert.equal(closest("model", NAMES), "model chips"));

test("suggests nothing when nothing is near", () => {
  assert.equal(closest("frobnicate", NAMES), undefined);
  assert.equal(closest("", NAMES), undefined);
  assert.equal(didYouMean("xyzzy", NAMES, "See --help."), "See --help.");
});

test("stays quick for absurdly long words", () => assert.equal(closest("x".repeat(1e6), NAMES), undefined));
