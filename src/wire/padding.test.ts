import assert from "node:assert/strict";
import { test } from "node:test";
import { withoutPadding } from "./padding.ts";

/** A frame of 60 bytes at offset 3, with the given bytes from the EtherType on. */
const frame = (...fromType: number[]): Uint8Array => {
  const bytes = new Uint8Array(63).fill(0xee);
  bytes.set(fromType, 3 + 12);
  return bytes;
};

test("`withoutPadding` finds where a short IPv4, IPv6 or ARP packet ends", () => {
  assert.equal(withoutPadding(frame(0x08, 0x00, 0x45, 0, 0, 40), 3, 60), 54);
  assert.equal(withoutPadding(frame(0x86, 0xdd, 0x60, 0, 0, 0, 0, 0), 3, 60), 54);
  assert.equal(withoutPadding(frame(0x08, 0x06), 3, 60), 42);
});

test("`withoutPadding` returns the full length of frames that are not padded, or whose packet length is unknown", () => {
  assert.equal(withoutPadding(frame(0x08, 0x00, 0x45, 0, 0, 46), 3, 60), 60);
  assert.equal(withoutPadding(frame(0x08, 0x00, 0x45, 0, 5, 0), 3, 60), 60);
  assert.equal(withoutPadding(frame(0x08, 0x00, 0x45, 0, 0, 0), 3, 60), 60);
  assert.equal(withoutPadding(frame(0x88, 0xb5), 3, 60), 60);
  assert.equal(withoutPadding(frame(0x08, 0x06), 3, 61), 61);
});
