import assert from "node:assert/strict";
import { test } from "node:test";
import { longestRun } from "./contiguous.ts";

const PAGE = 2 << 20;

test("the longest run of pages is found in whatever order they were given", () => {
  const addresses = [5, 9, 4, 6, 100, 8].map((page) => page * PAGE);
  assert.deepEqual(longestRun(addresses, PAGE, 16), { pages: [2, 0, 3], start: 4 * PAGE });
});

test("a run ends at 4 GiB, at the size wanted, and has no page whose address is unknown", () => {
  const around = [2046, 2047, 2048, 2049, 2050].map((page) => page * PAGE);
  assert.deepEqual(longestRun(around, PAGE, 16), { pages: [2, 3, 4], start: 2 ** 32 });
  assert.equal(
    longestRun(
      [1, 2, 3, 4].map((page) => page * PAGE),
      PAGE,
      2,
    ).pages.length,
    2,
  );
  assert.deepEqual(longestRun([0, 0, 0], PAGE, 16), { pages: [], start: 0 });
});
