import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { buildEchoFrame, buildTcpFrame, buildUdpFrame, type Ends } from "./frames.ts";
import { hex } from "./golden.test-kit.ts";
import { newMemory } from "./memory.ts";
import { Verified, verify } from "./verify.ts";

const MACS = { destination: hex("02005e100002"), source: hex("02005e100001") };
const V4: Ends = { ...MACS, from: 0xc000_0201, to: 0xc000_0202 };
const V6: Ends = {
  ...MACS,
  from: hex("20010db8000000000000000000000001"),
  to: hex("20010db8000000000000000000000002"),
};
const PORTS = { sourcePort: 5000, destinationPort: 7 };
const TCP = { ...PORTS, sequence: 9, acknowledgement: 8, headerLength: 20, flags: 0x10, window: 7 };
const GOOD = Verified.ip | Verified.ipGood | Verified.transportGood;

test("accepts correct TCP and UDP frames over IPv4 and IPv6, at every alignment, of even and odd length, with and without a tag", () => {
  const memory = newMemory(512);
  for (const ends of [V4, V6, { ...V4, tag: 3 }, { ...V6, tag: 3 }])
    for (let at = 0; at < 4; at++)
      for (const size of [0, 1, 2, 3, 100, 101]) {
        const payload = Uint8Array.from({ length: size }, (_, i) => i * 31);
        const good = GOOD | (typeof ends.from === "number" ? 0 : Verified.ipv6);
        assert.equal(verify(memory, at, buildTcpFrame(memory, at, ends, TCP, payload)), good | Verified.tcp);
        assert.equal(verify(memory, at, buildUdpFrame(memory, at, ends, PORTS, payload)), good | Verified.udp);
      }
});

test("any flipped bit of an IPv4 TCP packet is detected", () => {
  const memory = newMemory(256);
  const length = buildTcpFrame(memory, 0, V4, TCP, new Uint8Array(33).fill(7));
  fc.assert(
    fc.property(fc.integer({ min: 14 * 8, max: length * 8 - 1 }), (bit) => {
      memory.bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.notEqual(verify(memory, 0, length), GOOD | Verified.tcp);
      memory.bytes[bit >> 3]! ^= 1 << (bit & 7);
    }),
  );
});

test("padding after the packet does not change the result", () => {
  const memory = newMemory(64);
  buildUdpFrame(memory, 0, V4, PORTS, hex("01"));
  memory.bytes.fill(0xee, 43, 60);
  assert.equal(verify(memory, 0, 60), GOOD | Verified.udp);
});

test("a UDP checksum of 0 means none: accepted in IPv4, not in IPv6", () => {
  const memory = newMemory(128);
  const four = buildUdpFrame(memory, 0, V4, PORTS, hex("0102"));
  memory.bytes.fill(0, 40, 42);
  assert.equal(verify(memory, 0, four), GOOD | Verified.udp);
  const six = buildUdpFrame(memory, 0, V6, PORTS, hex("0102"));
  memory.bytes.fill(0, 60, 62);
  assert.equal(verify(memory, 0, six), Verified.ip | Verified.ipv6 | Verified.ipGood | Verified.udp);
});

test("a computed UDP checksum of 0 is sent as 0xffff and verifies", () => {
  const memory = newMemory(128);
  const length = buildUdpFrame(memory, 0, V4, PORTS, hex("0000"));
  // With that frame's checksum as payload, the sum of all bytes becomes 0xffff, so the computed checksum is 0.
  const payload = memory.bytes.slice(40, 42);
  assert.equal(buildUdpFrame(memory, 0, V4, PORTS, payload), length);
  assert.deepEqual(memory.bytes.slice(40, 42), hex("ffff"));
  assert.equal(verify(memory, 0, length), GOOD | Verified.udp);
});

test("a wrong IPv4 header checksum is distinguished from a wrong transport checksum", () => {
  const memory = newMemory(128);
  const length = buildTcpFrame(memory, 0, V4, TCP, hex("01020304"));
  memory.bytes[24]! ^= 1;
  assert.equal(verify(memory, 0, length), Verified.ip | Verified.tcp | Verified.transportGood);
  memory.bytes[24]! ^= 1;
  memory.bytes[54]! ^= 1;
  assert.equal(verify(memory, 0, length), Verified.ip | Verified.tcp | Verified.ipGood);
});

test("for fragments and other protocols, only IP is reported; for other frames, nothing", () => {
  const memory = newMemory(128);
  const echo = buildEchoFrame(memory, 0, V4, { type: 8, identifier: 1, sequence: 1 }, hex("00"));
  assert.equal(verify(memory, 0, echo), Verified.ip | Verified.ipGood);
  const length = buildUdpFrame(memory, 0, V4, PORTS, hex("0102"));
  memory.bytes[20] = 0x20; // more fragments
  assert.equal(verify(memory, 0, length), Verified.ip);
  memory.bytes.set(hex("0806"), 12);
  assert.equal(verify(memory, 0, length), 0);
});
