/** Tests of the module that replaces node:test while mutants are checked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as collected from "./collected-tests.ts";

const fails = (): never => assert.fail();

test("tests are run in order until one fails, with the names of their groups", async () => {
  const done: number[] = [];
  collected.test("a", () => done.push(1));
  collected.describe("group", () => {
    collected.test("b", async () => Promise.reject(new Error("wrong")));
    collected.test("c", () => done.push(2));
  });
  assert.equal(await collected.firstFailure(/^/), "group b");
  assert.deepEqual(done, [1]);
});

test("skipped tests, skipped groups and those with other names are left out", async () => {
  collected.test("a", { skip: "not here" }, fails);
  collected.describe("group", { skip: true }, () => collected.test("b", fails));
  collected.test("c", fails);
  collected.test("d", { skip: false }, (t) => t.diagnostic("runs"));
  assert.equal(await collected.firstFailure(/^[abd]|^group/), undefined);
});

test("a run without tests is an error: it would miss every mutant", async () => {
  collected.test("a", () => {});
  await assert.rejects(collected.firstFailure(/^b/), /no test was run/);
});
