import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { buildTcpFrame, type Ends } from "./frames.ts";
import { hex } from "./golden.test-kit.ts";
import { parseIpv4 } from "./ipv4.ts";
import { memoryOf, newMemory } from "./memory.ts";
import { slowSum } from "./reference.test-kit.ts";
import { NOT_SEGMENTABLE, segment, type SegmentPort } from "./segment.test-kit.ts";
import { parseTcp, TcpFlag } from "./tcp.ts";

const MACS = { destination: hex("02005e100002"), source: hex("02005e100001") };
const V4: Ends = { ...MACS, from: 0xc000_0201, to: 0xc000_0202, identification: 0xfffe };
const V6: Ends = {
  ...MACS,
  from: hex("20010db8000000000000000000000001"),
  to: hex("20010db8000000000000000000000002"),
};
const TCP = {
  sourcePort: 1,
  destinationPort: 2,
  sequence: 0xffff_ff00,
  acknowledgement: 3,
  headerLength: 32,
  flags: TcpFlag.ack | TcpFlag.psh | TcpFlag.fin | TcpFlag.cwr,
  window: 77,
};

/**
 * A port that records committed frames, builds at `skew` modulo 4, and has no space for a frame if `refuse` returns
 * true for its index.
 */
const collector = (skew: number, refuse: (index: number) => boolean = () => false) => {
  const memory = newMemory(2048);
  const frames: Uint8Array[] = [];
  let asked = 0;
  const port: SegmentPort = {
    ...memory,
    reserve(length) {
      assert.ok(length <= 2000);
      memory.bytes.fill(0xa5);
      return refuse(asked++) ? -1 : 64 + skew;
    },
    commit(length) {
      assert.ok(memory.bytes.subarray(0, 64 + skew).every((byte) => byte === 0xa5));
      assert.ok(memory.bytes.subarray(64 + skew + length).every((byte) => byte === 0xa5));
      frames.push(memory.bytes.slice(64 + skew, 64 + skew + length));
    },
  };
  return { port, frames };
};

const superFrame = (ends: Ends, payload: Uint8Array, at: number) => {
  const memory = newMemory(at + 128 + payload.length);
  const length = buildTcpFrame(memory, at, ends, TCP, payload);
  const network = ends.tag === undefined ? 14 : 18;
  const six = typeof ends.from !== "number";
  return { memory, length, network, six, transport: network + (six ? 40 : 20) };
};

test("the segments' payloads are the super-frame's payload, and all checksums, lengths, sequence numbers, identifications and flags are correct", () => {
  fc.assert(
    fc.property(
      fc.nat(9000),
      fc.integer({ min: 1, max: 1460 }),
      fc.record({ six: fc.boolean(), tagged: fc.boolean(), at: fc.nat(3), skew: fc.nat(3) }),
      (bytes, size, { six, tagged, at, skew }) => {
        fc.pre(bytes / size < 400);
        const payload = Uint8Array.from({ length: bytes }, (_, i) => i * 17 + (i >> 8));
        const ends = { ...(six ? V6 : V4), ...(tagged ? { tag: 9 } : {}) };
        const { memory, length, network, transport } = superFrame(ends, payload, at);
        const { port, frames } = collector(skew);
        const before = memory.bytes.slice();
        const emitted = segment(memory, at, length, network, transport, size, port);
        assert.deepEqual(memory.bytes, before);
        assert.equal(emitted, Math.max(1, Math.ceil(payload.length / size)));
        assert.equal(frames.length, emitted);
        const stream: number[] = [];
        for (const [i, frame] of frames.entries()) {
          const segmentLength = frame.length - transport;
          const tcp = parseTcp(frame, transport, frame.length)!;
          const data = frame.subarray(transport + tcp.headerLength);
          assert.equal(tcp.sequence, (TCP.sequence + stream.length) % 2 ** 32);
          assert.equal((tcp.flags & TcpFlag.cwr) !== 0, i === 0);
          assert.equal((tcp.flags & (TcpFlag.fin | TcpFlag.psh)) !== 0, i === emitted - 1);
          assert.ok(data.length === size || (i === emitted - 1 && data.length <= size));
          stream.push(...data);
          if (six) assert.equal(frame[network + 4]! * 256 + frame[network + 5]!, frame.length - network - 40);
          else {
            const ip = parseIpv4(frame, network, frame.length)!;
            assert.equal(ip.totalLength, frame.length - network);
            assert.equal(ip.identification, (0xfffe + i) % 65_536);
            assert.equal(slowSum(frame, network, 20), 0xffff);
          }
          const addresses = six ? slowSum(frame, network + 8, 32) : slowSum(frame, network + 12, 8);
          assert.equal(slowSum(frame, transport, segmentLength, addresses + 6 + segmentLength), 0xffff);
        }
        assert.ok(payload.every((byte, i) => byte === stream[i]) && stream.length === bytes, "the stream differs");
      },
    ),
  );
});

test("a super-frame with 64,000 bytes of payload becomes 45 frames with at most 1448 bytes of payload each", () => {
  const payload = Uint8Array.from({ length: 64_000 }, (_, i) => i * 17);
  const { memory, length, network, transport } = superFrame(V4, payload, 0);
  const { port, frames } = collector(2);
  assert.equal(segment(memory, 0, length, network, transport, 1448, port), 45);
  assert.equal(frames[44]!.length, 66 + 64_000 - 44 * 1448);
});

test("a segment that the port refuses is left out, and the others are unchanged", () => {
  const { memory, length, network, transport } = superFrame(V4, new Uint8Array(5000).fill(1), 0);
  const all = collector(0);
  assert.equal(segment(memory, 0, length, network, transport, 1000, all.port), 5);
  const some = collector(0, (index) => index === 1 || index === 4);
  assert.equal(segment(memory, 0, length, network, transport, 1000, some.port), 3);
  assert.deepEqual(some.frames, [all.frames[0], all.frames[2], all.frames[3]]);
});

test("a frame that is not a TCP packet with the given offsets is refused, and no segment is committed", () => {
  const { memory, length } = superFrame(V4, new Uint8Array(100), 0);
  const { port, frames } = collector(0);
  const refused = (network: number, transport: number, size = 50, patch: readonly [number, number] = [0, 2]): void => {
    const other = memoryOf(memory.bytes.slice());
    other.bytes[patch[0]] = patch[1];
    assert.equal(segment(other, 0, length, network, transport, size, port), NOT_SEGMENTABLE);
  };
  refused(14, 38);
  refused(14, 30);
  refused(18, 38);
  refused(0, 34);
  refused(14, 5000);
  refused(-4, -4);
  refused(14, 34, 0);
  refused(14, 34, -1);
  refused(14, 34, 50, [23, 17]); // UDP
  refused(14, 34, 50, [20, 0x20]); // a fragment
  refused(14, 34, 50, [46, 0x40]); // a TCP header of 16 bytes
  refused(14, 34, 50, [14, 0x65]); // IPv6, but only 20 bytes before the TCP header
  refused(14, 34, 50, [14, 0x55]); // neither IPv4 nor IPv6
  assert.equal(frames.length, 0);
});

test("random super-frames and offsets never throw, and only reserved space is written", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 400 }),
      fc.constantFrom(0x45, 0x60, 0x4f, 0),
      fc.integer({ min: -20, max: 200 }),
      fc.integer({ min: 1, max: 1500 }),
      (bytes, version, transport, size) => {
        if (bytes.length > 24) {
          bytes[14] = version;
          bytes[23] = bytes[20] = 6;
        }
        const { port, frames } = collector(0);
        const emitted = segment(memoryOf(bytes), 0, bytes.length, 14, transport, size, port);
        assert.equal(frames.length, Math.max(0, emitted));
      },
    ),
    { numRuns: 500 },
  );
});
