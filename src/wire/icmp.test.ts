import assert from "node:assert/strict";
import { test } from "node:test";
import { built, hex } from "./golden.test-kit.ts";
import { buildEcho, IcmpType, parseEcho } from "./icmp.ts";

const GOLDEN = hex("08 00 0000 1234 0007");
const ECHO = { type: IcmpType.echoRequest, identifier: 0x1234, sequence: 7 };

test("parses an echo request", () => {
  assert.deepEqual(parseEcho(GOLDEN, 0, 8), ECHO);
  assert.equal(parseEcho(GOLDEN, 0, 7), undefined);
});

test("builds an echo request byte for byte", () => {
  assert.deepEqual(
    built(8, (bytes) => buildEcho(bytes, 0, ECHO)),
    GOLDEN,
  );
});
