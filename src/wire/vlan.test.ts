import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "./golden.test-kit.ts";
import { insertTag, removeTag, tagOf } from "./vlan.ts";

const PLAIN = hex("ffffffffffff 02005e100001 0800 45 00");
const TAGGED = hex("ffffffffffff 02005e100001 8100 e007 0800 45 00");

test("a tag is removed from a frame without moving its payload", () => {
  const bytes = TAGGED.slice();
  assert.equal(tagOf(bytes, 0, bytes.length), 0xe007);
  removeTag(bytes, 0);
  assert.deepEqual(bytes.subarray(4), PLAIN);
});

test("a tag is inserted into a frame that has room before it", () => {
  const bytes = new Uint8Array(24).fill(0xa5);
  bytes.set(PLAIN, 6);
  insertTag(bytes, 6, 0xe007);
  assert.deepEqual(bytes.subarray(2, 22), TAGGED);
  assert.deepEqual(bytes.subarray(0, 2), hex("a5a5"));
});

test("an untagged, a service-tagged and a truncated frame have no tag to remove", () => {
  assert.equal(tagOf(PLAIN, 0, PLAIN.length), -1);
  assert.equal(tagOf(hex("ffffffffffff 02005e100001 88a8 0007 0800"), 0, 18), -1);
  assert.equal(tagOf(TAGGED, 0, 17), -1);
});
