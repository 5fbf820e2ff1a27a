import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import * as d from "./dissect.ts";
import { buildEchoFrame, buildTcpFrame, buildUdpFrame, type Ends } from "./frames.ts";
import { hex } from "./golden.test-kit.ts";
import { memoryOf, newMemory } from "./memory.ts";
import { verify } from "./verify.ts";

const MACS = { destination: hex("02005e100002"), source: hex("02005e100001") };
const V4: Ends = { ...MACS, from: 0xc000_0201, to: 0xc000_0202 };
const V6: Ends = {
  ...MACS,
  from: hex("20010db8000000000000000000000001"),
  to: hex("20010db8000000000000000000000002"),
};
const PORTS = { sourcePort: 1, destinationPort: 2 };

const dissected = (bytes: Uint8Array, at: number, length: number) => {
  const out = new Int32Array(d.DISSECTION_WORDS).fill(-1);
  const layer = d.dissect(bytes, at, length, out);
  return { layer, out: [...out] };
};

test("dissects a UDP datagram in IPv4, without the frame's padding", () => {
  const memory = newMemory(128);
  const length = buildUdpFrame(memory, 3, V4, PORTS, hex("010203"));
  assert.equal(length, 45);
  const { layer, out } = dissected(memory.bytes, 3, 60);
  assert.equal(layer, d.Layer.transport);
  assert.deepEqual(out, [0x0800, 14, 20, 17, 34, 8, 42, 3, 0]);
});

test("dissects a TCP segment in IPv6, in a frame with a VLAN tag", () => {
  const memory = newMemory(256);
  const header = { ...PORTS, sequence: 1, acknowledgement: 2, headerLength: 32, flags: 0x10, window: 100 };
  const length = buildTcpFrame(memory, 0, { ...V6, tag: 5 }, header, new Uint8Array(10));
  const { layer, out } = dissected(memory.bytes, 0, length);
  assert.equal(layer, d.Layer.transport);
  assert.deepEqual(out, [0x86dd, 18, 40, 6, 58, 32, 90, 10, 1]);
});

test("dissects an echo request", () => {
  const memory = newMemory(128);
  const length = buildEchoFrame(memory, 0, V4, { type: 8, identifier: 1, sequence: 2 }, new Uint8Array(56));
  assert.equal(length, 98);
  assert.deepEqual(dissected(memory.bytes, 0, length).out, [0x0800, 14, 20, 1, 34, 8, 42, 56, 0]);
});

test("a fragment is dissected up to its network header", () => {
  const memory = newMemory(128);
  const length = buildUdpFrame(memory, 0, V4, PORTS, new Uint8Array(20));
  for (const field of [0x2000, 0x0001, 0x3fff]) {
    memory.bytes.set([field >> 8, field & 0xff], 20);
    const { layer, out } = dissected(memory.bytes, 0, length);
    assert.equal(layer, d.Layer.network);
    assert.deepEqual(out, [0x0800, 14, 20, 17, 34, 0, 34, 28, d.Trait.fragment]);
  }
});

test("a packet longer than its frame is malformed; a frame that is not IP is dissected up to its Ethernet header", () => {
  const memory = newMemory(128);
  const length = buildUdpFrame(memory, 0, V4, PORTS, new Uint8Array(40));
  const cut = dissected(memory.bytes, 0, length - 1);
  assert.equal(cut.layer, d.Layer.ethernet);
  assert.equal(cut.out[d.TRAITS], d.Trait.malformed);
  memory.bytes.set([0x88, 0xcc], 12);
  const lldp = dissected(memory.bytes, 0, length);
  assert.equal(lldp.layer, d.Layer.ethernet);
  assert.deepEqual(lldp.out, [0x88cc, 14, 0, 0, 0, 0, 14, length - 14, 0]);
  assert.equal(dissected(memory.bytes, 0, 13).layer, d.Layer.none);
});

test("a transport header that does not fit into its packet is ignored", () => {
  const memory = newMemory(128);
  const length = buildUdpFrame(memory, 0, V4, PORTS, new Uint8Array(40));
  memory.bytes.set([0, 49], 38);
  assert.equal(dissected(memory.bytes, 0, length).layer, d.Layer.network);
  memory.bytes.set([0, 47], 38);
  assert.equal(dissected(memory.bytes, 0, length).out[d.PAYLOAD_LENGTH], 39);
});

/**
 * Frames that start with plausible headers, because random bytes rarely have an EtherType that is dissected further.
 */
const hostile = fc
  .tuple(
    fc.constantFrom("0800", "86dd", "8100 0001 0800", "88a8 0001 8100 0002 86dd", "8100", "0806", ""),
    fc.constantFrom("45", "4f", "60", "6f", "00", ""),
    fc.uint8Array({ maxLength: 200 }),
  )
  .map(([type, first, rest]) => new Uint8Array([...new Uint8Array(12), ...hex(type), ...hex(first), ...rest]));

/** An array that throws when an index outside `from` to `to` is read. */
const watched = (bytes: Uint8Array, from: number, to: number): Uint8Array =>
  new Proxy(bytes, {
    get(target, key) {
      const index = typeof key === "string" ? Number(key) : Number.NaN;
      if (Number.isInteger(index) && (index < from || index >= to))
        throw new Error(`read byte ${index} of ${from}-${to}`);
      return Reflect.get(target, key, target) as unknown;
    },
  });

test("hostile frames cause no read outside the frame, and all resulting offsets are inside it", () => {
  fc.assert(
    fc.property(hostile, fc.nat(3), fc.nat(220), (frame, before, cut) => {
      const length = Math.min(cut, frame.length);
      const bytes = new Uint8Array(before + frame.length);
      bytes.set(frame, before);
      const { layer, out } = dissected(watched(bytes, before, before + length), before, length);
      assert.ok(layer >= 0 && layer <= 3);
      for (const value of out) assert.ok(value >= 0);
      assert.ok(out[d.PAYLOAD]! + out[d.PAYLOAD_LENGTH]! <= length);
      assert.ok(out[d.TRANSPORT]! + out[d.TRANSPORT_LENGTH]! <= length);
      assert.ok(out[d.NETWORK]! + out[d.NETWORK_LENGTH]! <= length);
      verify(memoryOf(bytes), before, length);
    }),
    { numRuns: 2000 },
  );
});
