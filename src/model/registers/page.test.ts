/** The register page: each width at each offset. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AccessWidth, ones, Page } from "./page.ts";

test("the page stores and loads any width at any offset, little endian, and preserves adjacent bytes", () => {
  for (const width of [1, 2, 4] as const satisfies AccessWidth[])
    for (let offset = 0; offset <= 8; offset++) {
      const memory = new ArrayBuffer(16);
      const page = new Page(memory, 0, 16);
      const bytes = new Uint8Array(memory).fill(0x5a);
      const value = 0x8192_a3b4 % 2 ** (8 * width);
      page.put(offset, width, value);
      assert.equal(page.get(offset, width), value);
      for (let i = 0; i < 16; i++) {
        const inside = i >= offset && i < offset + width;
        assert.equal(bytes[i], inside ? (value >>> (8 * (i - offset))) & 0xff : 0x5a);
      }
    }
});

test("`ones` is the largest unsigned number of each width", () => {
  assert.deepEqual(([1, 2, 4] as const).map(ones), [0xff, 0xffff, 0xffff_ffff]);
});
