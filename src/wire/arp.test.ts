import assert from "node:assert/strict";
import { test } from "node:test";
import { type Arp, ArpOperation, buildArp, parseArp } from "./arp.ts";
import { built, hex } from "./golden.test-kit.ts";

const GOLDEN = hex("0001 0800 06 04 0001 02005e100001 c0000201 000000000000 c0000202");
const REQUEST: Arp = {
  operation: ArpOperation.request,
  senderMac: hex("02005e100001"),
  senderIp: 0xc000_0201,
  targetMac: hex("000000000000"),
  targetIp: 0xc000_0202,
};

test("parses an ARP request", () => {
  assert.deepEqual(parseArp(GOLDEN, 0, GOLDEN.length), REQUEST);
});

test("builds an ARP request byte for byte", () => {
  assert.deepEqual(
    built(28, (bytes) => buildArp(bytes, 0, REQUEST)),
    GOLDEN,
  );
});

test("an ARP message that is truncated, or for other media or protocols, is not parsed", () => {
  assert.equal(parseArp(GOLDEN, 0, 27), undefined);
  for (const at of [1, 3, 4, 5]) {
    const other = GOLDEN.slice();
    other[at]! ^= 1;
    assert.equal(parseArp(other, 0, 28), undefined);
  }
});
