import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { placeWindow } from "./addresses.ts";

const MIB = 2 ** 20;
const GIB4 = 2 ** 32;

test("a window is placed as low as possible, but not at small addresses", () =>
  assert.equal(placeWindow({ pageBytes: 4096, ranges: [{ start: 0, last: 2 ** 39 - 1 }] }, 32 * MIB), 16 * MIB));

test("excluded ranges of the IOMMU are not used", () => {
  const ranges = [
    { start: 0, last: 20 * MIB - 1 },
    { start: 0xfef0_0000, last: 2 ** 39 - 1 },
  ];
  assert.equal(placeWindow({ pageBytes: 4096, ranges }, 4 * MIB), 16 * MIB);
  // There is too little space below 4 GiB, and the window must not cross that border.
  assert.equal(placeWindow({ pageBytes: 4096, ranges }, 32 * MIB), GIB4);
  assert.equal(placeWindow({ pageBytes: 4096, ranges: ranges.slice(0, 1) }, 32 * MIB), undefined);
});

test("without reported ranges, room is left for interrupt messages", () => {
  assert.equal(placeWindow({ pageBytes: 4096, ranges: undefined }, 32 * MIB), 16 * MIB);
  assert.equal(placeWindow({ pageBytes: 4096, ranges: undefined }, 0xfee0_0000), undefined);
});

test("a window that is found lies in an allowed range, starts at a page, and crosses no multiple of 4 GiB", () => {
  const range = fc.record({ start: fc.nat(2 ** 40), bytes: fc.integer({ min: 1, max: 2 ** 30 }) });
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), fc.integer({ min: 1, max: 64 }), (list, mebibytes) => {
      const ranges = list.map(({ start, bytes }) => ({ start, last: start + bytes - 1 }));
      const bytes = mebibytes * MIB;
      const at = placeWindow({ pageBytes: 4096, ranges }, bytes);
      if (at === undefined) return;
      assert.ok(ranges.some(({ start, last }) => at >= start && at + bytes - 1 <= last));
      assert.equal(at % 4096, 0);
      assert.equal(Math.floor(at / GIB4), Math.floor((at + bytes - 1) / GIB4));
    }),
    { seed: 8168 },
  );
});
