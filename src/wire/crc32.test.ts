import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, multicastHash } from "./crc32.ts";
import { parseMac } from "./mac.ts";

test("the CRC-32 of `123456789`, in the middle of an array, is the published check value, and that of no bytes is 0", () => {
  const text = new TextEncoder().encode("x123456789x");
  assert.equal(crc32(text, 1, 9), 0xcbf4_3926);
  assert.equal(crc32(text, 0, 0), 0);
});

test("a frame followed by its check sequence leaves the well-known residue", () => {
  const frame = Uint8Array.from({ length: 64 }, (_, i) => i * 7);
  new DataView(frame.buffer).setUint32(60, crc32(frame, 0, 60), true);
  assert.equal(crc32(frame, 0, 64), 0x2144_df1c);
});

/** The hash of `multicastHash` in another form: most significant bit first, polynomial 0x04c11db7, upper six bits. */
const bigEndianHash = (address: Uint8Array): number => {
  let crc = 0xffff_ffff;
  for (const byte of address)
    for (let bit = 0; bit < 8; bit++) {
      const carry = ((crc >>> 31) ^ (byte >> bit)) & 1;
      crc = (crc << 1) ^ (carry === 1 ? 0x04c1_1db7 : 0);
    }
  return crc >>> 26;
};

test("`multicastHash` equals a bit-by-bit computation of the CRC", () => {
  for (const text of ["01:00:5e:00:00:01", "33:33:00:00:00:01", "33:33:ff:12:34:56", "01:80:c2:00:00:00"])
    assert.equal(multicastHash(parseMac(text), 0), bigEndianHash(parseMac(text)), text);
});
