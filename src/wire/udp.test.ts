import assert from "node:assert/strict";
import { test } from "node:test";
import { built, hex } from "./golden.test-kit.ts";
import { buildUdp, parseUdp, udpLength } from "./udp.ts";

const GOLDEN = hex("c000 0007 000c 0000");
const HEADER = { sourcePort: 0xc000, destinationPort: 7, length: 12 };

test("parses a UDP header", () => {
  assert.deepEqual(parseUdp(new Uint8Array([...GOLDEN, 1, 2, 3, 4]), 0, 12), HEADER);
});

test("builds a UDP header byte for byte", () => {
  assert.deepEqual(
    built(8, (bytes) => buildUdp(bytes, 0, HEADER)),
    GOLDEN,
  );
});

test("a length shorter than the header or longer than the packet is refused", () => {
  assert.equal(udpLength(GOLDEN, 0, 8), 0);
  assert.equal(udpLength(hex("c000 0007 0007 0000"), 0, 8), 0);
  assert.equal(udpLength(hex("c000 0007 0008 0000"), 0, 8), 8);
  assert.equal(udpLength(hex("c000 0007 0008 0000"), 0, 7), 0);
});
