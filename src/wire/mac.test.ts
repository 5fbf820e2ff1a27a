import assert from "node:assert/strict";
import { test } from "node:test";
import { formatMac, InvalidMacAddress, isGroup, parseMac } from "./mac.ts";

test("a MAC address is read with colons or dashes, in either case, and written with colons", () => {
  const bytes = Uint8Array.of(0x02, 0x00, 0x5e, 0x10, 0xab, 0xff);
  assert.deepEqual(parseMac("02:00:5e:10:ab:ff"), bytes);
  assert.deepEqual(parseMac("02-00-5E-10-AB-FF"), bytes);
  assert.equal(formatMac(bytes), "02:00:5e:10:ab:ff");
  assert.equal(formatMac(Uint8Array.of(9, 9, ...bytes, 9), 2), "02:00:5e:10:ab:ff");
});

test("an invalid MAC address is refused with its text and a hint", () => {
  for (const text of [
    "",
    "02:00:5e:10:ab",
    "02:00:5e:10:ab:ff:00",
    "02:00-5e:10:ab:ff",
    "2:0:5e:10:ab:ff",
    "zz:00:5e:10:ab:ff",
  ])
    assert.throws(
      () => parseMac(text),
      (error) => error instanceof InvalidMacAddress && error.text === text && error.hint.includes("02:00:5e"),
    );
});

test("group addresses have the lowest bit of their first byte set", () => {
  assert.ok(isGroup(parseMac("01:00:5e:00:00:01"), 0) && isGroup(parseMac("ff:ff:ff:ff:ff:ff"), 0));
  assert.ok(!isGroup(parseMac("02:00:5e:00:00:01"), 0));
});
