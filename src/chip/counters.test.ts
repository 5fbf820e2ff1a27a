import assert from "node:assert/strict";
import { test } from "node:test";
import { COUNTERS, type Counter, DUMP_BYTES, EXTENDED_COUNTERS, EXTENDED_DUMP_BYTES } from "./counters.ts";

const fill = (counters: readonly Counter[], start: number, end: number): void => {
  let at = start;
  for (const { name, offset, bytes } of counters) {
    assert.equal(offset, at, `${name} starts where the counter before it ends`);
    assert.equal(offset % bytes, 0, `${name} is aligned`);
    at += bytes;
  }
  assert.equal(at, end);
};

test("the counters fill the dump without gap or overlap", () => {
  fill(COUNTERS, 0, DUMP_BYTES);
  fill(EXTENDED_COUNTERS, DUMP_BYTES, EXTENDED_DUMP_BYTES);
});

test("no two counters share a name", () => {
  const names = [...COUNTERS, ...EXTENDED_COUNTERS].map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
});
