import assert from "node:assert/strict";
import { test } from "node:test";
import { fillIpv4Checksum } from "./fill.ts";
import { built, hex } from "./golden.test-kit.ts";
import { buildIpv4, formatIpv4Address, ipv4HeaderLength, parseIpv4, parseIpv4Address } from "./ipv4.ts";
import { memoryOf } from "./memory.ts";

const GOLDEN = hex("45 00 0073 0000 4000 40 11 0000 c0a80001 c0a800c7");
const PACKET = new Uint8Array(0x73);
PACKET.set(GOLDEN);
const HEADER = {
  totalLength: 0x73,
  identification: 0,
  fragment: 0x4000,
  timeToLive: 64,
  protocol: 17,
  source: 0xc0a8_0001,
  destination: 0xc0a8_00c7,
};

test("parses an IPv4 header", () => {
  assert.deepEqual(parseIpv4(PACKET, 0, PACKET.length), { headerLength: 20, ...HEADER });
});

test("builds an IPv4 header byte for byte, with the published checksum", () => {
  assert.deepEqual(
    built(20, (bytes) => buildIpv4(bytes, 0, HEADER)),
    GOLDEN,
  );
  const memory = memoryOf(PACKET.slice());
  assert.ok(fillIpv4Checksum(memory, 0, PACKET.length));
  assert.deepEqual(memory.bytes.slice(10, 12), hex("b861"));
});

test("a header that does not describe a complete packet is rejected", () => {
  assert.equal(ipv4HeaderLength(PACKET, 0, 0x72), 0);
  assert.equal(ipv4HeaderLength(PACKET, 0, 19), 0);
  for (const first of [0x44, 0x55, 0x65, 0x05]) {
    const other = PACKET.slice();
    other[0] = first;
    assert.equal(ipv4HeaderLength(other, 0, other.length), 0);
  }
  const short = PACKET.slice();
  short.set([0, 19], 2);
  assert.equal(ipv4HeaderLength(short, 0, short.length), 0);
  const options = PACKET.slice();
  options[0] = 0x4f;
  assert.equal(ipv4HeaderLength(options, 0, options.length), 60);
});

test("addresses are read and written in dotted decimals", () => {
  assert.equal(parseIpv4Address("192.0.2.1"), 0xc000_0201);
  assert.equal(formatIpv4Address(0xc000_0201), "192.0.2.1");
  for (const text of ["", "192.0.2", "192.0.2.256", "192.0.2.1.1", "a.b.c.d", " 192.0.2.1"])
    assert.equal(parseIpv4Address(text), undefined);
});
