import assert from "node:assert/strict";
import { test } from "node:test";
import { built, hex } from "./golden.test-kit.ts";
import { buildIpv6, linkLocal, MAX_EXTENSIONS, parseIpv6, skipExtensions } from "./ipv6.ts";

const FROM = "fe80000000000000 00005efffe100001";
const TO = "ff02000000000000 00000001ff100002";
const GOLDEN = hex(`60000000 0004 3a ff ${FROM} ${TO}`);
const PACKET = new Uint8Array([...GOLDEN, 1, 2, 3, 4]);
const HEADER = { payloadLength: 4, nextHeader: 58, hopLimit: 255, source: hex(FROM), destination: hex(TO) };

test("parses an IPv6 header", () => {
  assert.deepEqual(parseIpv6(PACKET, 0, PACKET.length), HEADER);
  assert.equal(parseIpv6(PACKET, 0, 43), undefined);
  assert.equal(parseIpv6(hex("45"), 0, 1), undefined);
});

test("builds an IPv6 header byte for byte", () => {
  assert.deepEqual(
    built(40, (bytes) => buildIpv6(bytes, 0, HEADER)),
    GOLDEN,
  );
});

test("extension headers are skipped up to the transport header", () => {
  const chain = hex("3c00 000000000000 3300 000000000000 0601 0000 00000000 00000000");
  assert.equal(skipExtensions(chain, 0, chain.length, 0), 28 * 256 + 6);
  assert.equal(skipExtensions(chain, 4, 8, 17), 4 * 256 + 17);
});

test("a fragment header is not skipped, unless the packet is its only fragment", () => {
  assert.equal(skipExtensions(hex("1100 0009 00000001"), 0, 8, 44), 44);
  assert.equal(skipExtensions(hex("1100 0001 00000001"), 0, 8, 44), 44);
  assert.equal(skipExtensions(hex("1100 0000 00000001"), 0, 8, 44), 8 * 256 + 17);
});

test("a routing header with segments left is not skipped, because the checksum includes another destination", () => {
  assert.equal(skipExtensions(hex("0600 0001 00000000"), 0, 8, 43), 43);
  assert.equal(skipExtensions(hex("0600 0000 00000000"), 0, 8, 43), 8 * 256 + 6);
});

test("a chain that is truncated or too long is refused", () => {
  assert.equal(skipExtensions(hex("0600 0000"), 0, 4, 0), -1);
  assert.equal(skipExtensions(hex("0601 000000000000"), 0, 8, 0), -1);
  const endless = new Uint8Array(8 * (MAX_EXTENSIONS + 2));
  assert.equal(skipExtensions(endless, 0, endless.length, 0), -1);
});

test("the link-local address follows from the MAC address", () => {
  assert.deepEqual(linkLocal(hex("02005e100001")), hex(FROM));
});
