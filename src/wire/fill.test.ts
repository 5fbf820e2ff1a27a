import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { completeChecksum, fillIpv4Checksum, fillTransportChecksum } from "./fill.ts";
import { buildTcpFrame, buildUdpFrame, type Ends } from "./frames.ts";
import { hex } from "./golden.test-kit.ts";
import { Protocol } from "./ipv4.ts";
import { memoryOf, newMemory } from "./memory.ts";
import { pseudoHeaderSum } from "./pseudo-header.ts";
import { slowSum } from "./reference.test-kit.ts";
import { fold } from "./checksum.ts";

const MACS = { destination: hex("02005e100002"), source: hex("02005e100001") };
const V4: Ends = { ...MACS, from: 0xc000_0201, to: 0xc000_0202 };
const V6: Ends = {
  ...MACS,
  from: hex("20010db8000000000000000000000001"),
  to: hex("20010db8000000000000000000000002"),
};
const PORTS = { sourcePort: 5000, destinationPort: 7 };
const TCP = { ...PORTS, sequence: 9, acknowledgement: 8, headerLength: 20, flags: 0x10, window: 7 };

test("filled-in checksums satisfy the reference, whatever the fields contained", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.boolean(),
      fc.nat(3),
      fc.nat(0xffff),
      (payload, six, at, junk) => {
        const memory = newMemory(512);
        const length = buildTcpFrame(memory, at, six ? V6 : V4, TCP, payload);
        const network = at + 14;
        const transport = network + (six ? 40 : 20);
        memory.bytes.set([junk >> 8, junk & 0xff], transport + 16);
        memory.bytes.set(six ? [] : [junk >> 8, junk & 0xff], network + 10);
        // Padding after the packet must not be summed.
        memory.bytes.fill(0x77, at + length, at + length + 5);
        assert.equal(fillIpv4Checksum(memory, network, at + length + 5), !six);
        assert.ok(fillTransportChecksum(memory, network, transport, at + length + 5, Protocol.tcp));
        const segment = 20 + payload.length;
        const addresses = six ? slowSum(memory.bytes, network + 8, 32) : slowSum(memory.bytes, network + 12, 8);
        assert.equal(slowSum(memory.bytes, transport, segment, addresses + 6 + segment), 0xffff);
        if (!six) assert.equal(slowSum(memory.bytes, network, 20), 0xffff);
      },
    ),
  );
});

test("a completed partial checksum equals the checksum of the whole packet", () => {
  const memory = newMemory(256);
  const length = buildTcpFrame(memory, 0, V4, TCP, new Uint8Array(77).fill(3));
  const right = memory.bytes.slice(0, length);
  const seed = fold(pseudoHeaderSum(memory, 14, Protocol.tcp, 97));
  memory.bytes.set([seed >> 8, seed & 0xff], 50);
  assert.ok(completeChecksum(memory, 34, 50, length));
  assert.deepEqual(memory.bytes.slice(0, length), right);
});

test("with an invalid offset or protocol, nothing is written", () => {
  const memory = newMemory(256);
  const length = buildUdpFrame(memory, 0, V4, PORTS, new Uint8Array(4));
  const before = memory.bytes.slice();
  for (const transport of [0, 14, 33, length - 7, length, 1000, -5])
    assert.equal(fillTransportChecksum(memory, 14, transport, length, Protocol.udp), false, String(transport));
  assert.equal(fillTransportChecksum(memory, 14, 34, length, Protocol.icmp), false);
  assert.equal(fillTransportChecksum(memory, 14, 34, length - 1, Protocol.udp), false);
  assert.equal(fillIpv4Checksum(memory, 14, 33), false);
  assert.equal(completeChecksum(memory, 34, 33, length), false);
  assert.equal(completeChecksum(memory, 34, length - 1, length), false);
  assert.deepEqual(memory.bytes, before);
});

test("random frames never throw and change at most the checksum fields", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 20, maxLength: 120 }),
      fc.integer({ min: -10, max: 150 }),
      (bytes, transport) => {
        const memory = memoryOf(bytes);
        const before = bytes.slice();
        fillIpv4Checksum(memory, 0, bytes.length);
        fillTransportChecksum(memory, 0, transport, bytes.length, Protocol.tcp);
        const changed = before.reduce((n, byte, i) => n + (byte === bytes[i] ? 0 : 1), 0);
        assert.ok(changed <= 4);
      },
    ),
  );
});
