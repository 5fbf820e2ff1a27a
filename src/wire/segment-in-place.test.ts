import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { put16, put32 } from "./bigendian.ts";
import { InPlaceSegmenter } from "./segment-in-place.ts";
import { memoryOf } from "./memory.ts";
import { slowSum } from "./reference.test-kit.ts";

interface Shape {
  readonly ipv6: boolean;
  readonly tags: number;
  readonly options: number;
  readonly payload: number;
  readonly segmentBytes: number;
  readonly flags: number;
  readonly place: number;
}

const shapes = fc
  .record({
    ipv6: fc.boolean(),
    tags: fc.integer({ min: 0, max: 2 }),
    options: fc.integer({ min: 0, max: 10 }),
    segmentBytes: fc.integer({ min: 1, max: 9000 }),
    segments: fc.integer({ min: 1, max: 7 }),
    last: fc.double({ min: 0, max: 1, noNaN: true }),
    flags: fc.nat(255),
    place: fc.nat(7),
  })
  .map((s): Shape => ({
    ...s,
    payload: (s.segments - 1) * s.segmentBytes + 1 + Math.floor(s.last * (s.segmentBytes - 1)),
  }));

const SEQUENCE = 0xffff_ff00;
const IDENTIFICATION = 0xfffe;
const payloadByte = (i: number): number => (i * 167 + (i >>> 8)) & 0xff;

/**
 * A super-frame as a kernel passes it: the headers state the length of the whole packet, and the checksums are invalid.
 */
const superFrame = (s: Shape): { frame: Uint8Array; network: number; transport: number; header: number } => {
  const network = 14 + 4 * s.tags;
  const transport = network + (s.ipv6 ? 40 : 20);
  const header = transport + 20 + 4 * s.options;
  const frame = new Uint8Array(header + s.payload).fill(0xa5);
  for (let i = 0; i < s.tags; i++) put16(frame, 12 + 4 * i, 0x8100);
  put16(frame, network - 2, s.ipv6 ? 0x86dd : 0x0800);
  frame[network] = s.ipv6 ? 0x60 : 0x45;
  if (s.ipv6) put16(frame, network + 4, frame.length - transport);
  else {
    put16(frame, network + 2, frame.length - network);
    put16(frame, network + 4, IDENTIFICATION);
  }
  frame[network + (s.ipv6 ? 6 : 9)] = 6;
  put32(frame, transport + 4, SEQUENCE);
  frame[transport + 12] = (5 + s.options) << 4;
  frame[transport + 13] = s.flags;
  for (let i = 0; i < s.payload; i++) frame[header + i] = payloadByte(i);
  return { frame, network, transport, header };
};

const segmentAll = (s: Shape): { pieces: Uint8Array[]; whole: ReturnType<typeof superFrame> } => {
  const whole = superFrame(s);
  const memory = memoryOf(new Uint8Array(whole.frame.length + 16));
  memory.bytes.set(whole.frame, s.place);
  const segmenter = new InPlaceSegmenter(memory);
  assert.ok(segmenter.begin(s.place, whole.frame.length, s.segmentBytes, whole.network, whole.transport, whole.header));
  const pieces: Uint8Array[] = [];
  for (; segmenter.length > 0; segmenter.advance())
    pieces.push(memory.bytes.slice(segmenter.offset, segmenter.offset + segmenter.length));
  return { pieces, whole };
};

const RUNS = { seed: 20_260_116, numRuns: 400 };

test("a frame segmented in place gives segments with its whole payload, and checksums that a naive receiver accepts", () => {
  fc.assert(
    fc.property(shapes, (s) => {
      const { pieces, whole } = segmentAll(s);
      const { network, transport, header } = whole;
      assert.equal(pieces.length, Math.ceil(s.payload / s.segmentBytes));
      assert.deepEqual(
        pieces.flatMap((piece) => [...piece.subarray(header)]),
        [...whole.frame.subarray(header)],
      );
      for (const piece of pieces) {
        const addresses = s.ipv6 ? 32 : 8;
        const pseudo = slowSum(piece, transport - addresses, addresses, 6 + piece.length - transport);
        assert.equal(slowSum(piece, transport, piece.length - transport, pseudo), 0xffff);
        if (!s.ipv6) assert.equal(slowSum(piece, network, 20), 0xffff);
      }
    }),
    RUNS,
  );
});

test("every segment has the frame's headers except for length, identification, sequence number, flags and checksums", () => {
  fc.assert(
    fc.property(shapes, (s) => {
      const { pieces, whole } = segmentAll(s);
      const { network, transport, header } = whole;
      for (const [i, piece] of pieces.entries()) {
        const last = i === pieces.length - 1;
        const expected = whole.frame.slice(0, header);
        if (s.ipv6) put16(expected, network + 4, piece.length - transport);
        else {
          put16(expected, network + 2, piece.length - network);
          put16(expected, network + 4, (IDENTIFICATION + i) & 0xffff);
          expected.set(piece.subarray(network + 10, network + 12), network + 10);
        }
        put32(expected, transport + 4, (SEQUENCE + i * s.segmentBytes) | 0);
        expected[transport + 13] = s.flags & (last ? 0xff : ~0x09) & (i === 0 ? 0xff : ~0x80);
        expected.set(piece.subarray(transport + 16, transport + 18), transport + 16);
        assert.deepEqual(piece.slice(0, header), expected);
      }
    }),
    RUNS,
  );
});

test("segments built with the caller's payload sum equal those built without it, and may be built more than once", () => {
  fc.assert(
    fc.property(shapes, (s) => {
      const { pieces, whole } = segmentAll(s);
      const memory = memoryOf(new Uint8Array(whole.frame.length + 16));
      memory.bytes.set(whole.frame, s.place);
      const segmenter = new InPlaceSegmenter(memory);
      const { network, transport, header } = whole;
      assert.ok(segmenter.prepare(s.place, whole.frame.length, s.segmentBytes, network, transport, header));
      for (const piece of pieces) {
        segmenter.make(0);
        segmenter.make(segmenter.sum());
        assert.deepEqual(memory.bytes.slice(segmenter.offset, segmenter.offset + segmenter.length), piece);
        segmenter.skip();
      }
      assert.deepEqual([segmenter.left, segmenter.length, segmenter.rest], [0, 0, 0]);
    }),
    RUNS,
  );
});

test("a frame without payload, without a segment size, or with headers longer than 256 bytes is refused", () => {
  const segmenter = new InPlaceSegmenter(memoryOf(new Uint8Array(1024)));
  assert.equal(segmenter.begin(0, 54, 1448, 14, 34, 54), false);
  assert.equal(segmenter.begin(0, 154, 0, 14, 34, 54), false);
  assert.equal(segmenter.begin(0, 1000, 100, 14, 300, 320), false);
});

test("headers that do not have the alignment of Ethernet, IP and TCP headers are refused", () => {
  const segmenter = new InPlaceSegmenter(memoryOf(new Uint8Array(1024)));
  assert.equal(segmenter.begin(0, 1000, 100, 15, 35, 55), false);
  assert.equal(segmenter.begin(0, 1000, 100, 14, 35, 55), false);
  assert.equal(segmenter.begin(0, 1000, 100, 14, 34, 55), false);
});

test("nothing before or after the frame is written", () => {
  const { frame, network, transport, header } = superFrame({
    ipv6: false,
    tags: 0,
    options: 3,
    payload: 500,
    segmentBytes: 100,
    flags: 0x18,
    place: 0,
  });
  for (const place of [2, 3, 4, 5, 6]) {
    const memory = memoryOf(new Uint8Array(place + frame.length + 8).fill(0x5a));
    memory.bytes.set(frame, place);
    const segmenter = new InPlaceSegmenter(memory);
    assert.ok(segmenter.begin(place, frame.length, 100, network, transport, header));
    assert.equal(segmenter.left, 5);
    for (let left = 4; left >= 0; left--) {
      segmenter.advance();
      assert.equal(segmenter.left, left);
    }
    assert.ok(memory.bytes.subarray(0, place).every((byte) => byte === 0x5a));
    assert.ok(memory.bytes.subarray(place + frame.length).every((byte) => byte === 0x5a));
  }
});
