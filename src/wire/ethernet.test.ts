import assert from "node:assert/strict";
import { test } from "node:test";
import { buildEthernet, networkOffset, parseEthernet } from "./ethernet.ts";
import { built, hex } from "./golden.test-kit.ts";

const GOLDEN = hex("ffffffffffff 02005e100001 0806");
const HEADER = { destination: hex("ffffffffffff"), source: hex("02005e100001"), type: 0x0806 };

test("parses an Ethernet header", () => {
  assert.deepEqual(parseEthernet(GOLDEN, 0, GOLDEN.length), HEADER);
  assert.equal(parseEthernet(GOLDEN, 0, 13), undefined);
});

test("builds an Ethernet header byte for byte", () => {
  assert.deepEqual(
    built(14, (bytes) => buildEthernet(bytes, 0, HEADER)),
    GOLDEN,
  );
});

test("the network header follows up to two tags, and a short frame has none", () => {
  assert.equal(networkOffset(GOLDEN, 0, 14), 14);
  assert.equal(networkOffset(GOLDEN, 0, 13), -1);
  const tagged = hex("ffffffffffff 02005e100001 88a8 0064 8100 2007 0800");
  assert.equal(networkOffset(tagged, 0, 22), 22);
  assert.equal(networkOffset(tagged, 0, 21), -1);
  const three = hex("ffffffffffff 02005e100001 8100 0001 8100 0002 8100 0003 0800");
  assert.equal(networkOffset(three, 0, 26), 22);
});
