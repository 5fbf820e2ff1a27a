import assert from "node:assert/strict";
import { test } from "node:test";
import { built, hex } from "./golden.test-kit.ts";
import { buildTcp, parseTcp, TcpFlag, tcpHeaderLength } from "./tcp.ts";

const GOLDEN = hex("c001 0050 fffffff0 00000002 60 18 01f6 0000 0000 01010101");
const HEADER = {
  sourcePort: 0xc001,
  destinationPort: 80,
  sequence: 0xffff_fff0,
  acknowledgement: 2,
  headerLength: 24,
  flags: TcpFlag.ack | TcpFlag.psh,
  window: 0x1f6,
};

test("parses a TCP header", () => {
  assert.deepEqual(parseTcp(GOLDEN, 0, 24), HEADER);
});

test("builds a TCP header byte for byte", () => {
  assert.deepEqual(
    built(24, (bytes) => buildTcp(bytes, 0, HEADER)),
    GOLDEN,
  );
});

test("a data offset inside the fixed header or beyond the packet is refused", () => {
  assert.equal(tcpHeaderLength(GOLDEN, 0, 23), 0);
  assert.equal(tcpHeaderLength(GOLDEN, 0, 19), 0);
  const other = GOLDEN.slice();
  other[12] = 0x40;
  assert.equal(tcpHeaderLength(other, 0, 24), 0);
});
