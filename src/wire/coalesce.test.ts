import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { Coalescer } from "./coalesce.ts";
import {
  type Shape,
  naiveSum,
  get16,
  networkOf,
  transportOf,
  payloadOf,
  tcpSum,
  ipSum,
  segment,
  payloadByte,
  segmentsOf,
} from "./segment-by-hand.test-kit.ts";

interface Out {
  readonly frame: Uint8Array;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly headerBytes: number;
}

/** Puts frames into one memory, adds them and collects the output. */
const coalesce = (
  frames: readonly Uint8Array[],
  checksum: "carry" | "partial" = "carry",
  tags: readonly number[] = [],
  follows: (index: number) => boolean = () => false,
): Out[] => {
  const bytes = new Uint8Array(frames.reduce((total, frame) => total + frame.length + 9, 0));
  const out: Out[] = [];
  const coalescer = new Coalescer({
    bytes,
    checksum,
    sink: {
      single: (offset, length) =>
        out.push({ frame: bytes.slice(offset, offset + length), segments: 1, segmentBytes: 0, headerBytes: 0 }),
      run: (run) => {
        const parts: number[] = [];
        for (let i = 0; i < run.pieceCount; i++)
          parts.push(...bytes.subarray(run.pieces[2 * i], run.pieces[2 * i]! + run.pieces[2 * i + 1]!));
        const { segments, segmentBytes, headerBytes } = run;
        out.push({ frame: Uint8Array.from(parts), segments, segmentBytes, headerBytes });
      },
    },
  });
  let at = 0;
  for (const [i, frame] of frames.entries()) {
    bytes.set(frame, at);
    if (!follows(i) || !coalescer.follow(at, frame.length)) coalescer.add(at, frame.length, true, 0, tags[i] ?? -1);
    at += (frame.length + 9) & ~7;
  }
  coalescer.flush();
  return out;
};

/** As `coalesce`, for the segments of one super-frame with headers and payload in separate places. */
const coalesceSplit = (frames: readonly Uint8Array[], gap: number): Out[] => {
  const payloads = frames.map((frame) => frame.subarray(payloadOf(frame)));
  const headers = frames.map((frame) => frame.subarray(0, payloadOf(frame)));
  const room = headers.reduce((total, header) => total + header.length + 9, 0);
  const bytes = new Uint8Array(room + gap + payloads.reduce((total, payload) => total + payload.length, 0));
  const out: Out[] = [];
  const coalescer = new Coalescer({
    bytes,
    checksum: "carry",
    sink: {
      single: () => assert.fail("a frame in two pieces was passed on as one piece"),
      split: (offset, headerBytes, payloadAt, payloadBytes) => {
        const frame = [
          ...bytes.slice(offset, offset + headerBytes),
          ...bytes.slice(payloadAt, payloadAt + payloadBytes),
        ];
        out.push({ frame: Uint8Array.from(frame), segments: 1, segmentBytes: 0, headerBytes: 0 });
      },
      run: (run) => {
        assert.equal(run.pieceCount, 2, "adjacent payloads were not one piece");
        const parts: number[] = [];
        for (let i = 0; i < run.pieceCount; i++)
          parts.push(...bytes.subarray(run.pieces[2 * i], run.pieces[2 * i]! + run.pieces[2 * i + 1]!));
        const { segments, segmentBytes, headerBytes } = run;
        out.push({ frame: Uint8Array.from(parts), segments, segmentBytes, headerBytes });
      },
    },
  });
  let at = 0;
  let payloadAt = room + gap;
  for (const [i, header] of headers.entries()) {
    bytes.set(header, at);
    bytes.set(payloads[i]!, payloadAt);
    const { length } = payloads[i]!;
    if (i === 0 || !coalescer.followSplit(at, header.length, payloadAt, length))
      coalescer.addSplit(at, header.length, payloadAt, length);
    at += (header.length + 9) & ~7;
    payloadAt += length;
  }
  coalescer.flush();
  return out;
};

const shapes = fc
  .record<Shape>({
    ipv6: fc.boolean(),
    vlan: fc.boolean(),
    options: fc.constantFrom(0, 12, 40),
    segmentBytes: fc.integer({ min: 1, max: 1460 }),
    payload: fc.integer({ min: 1, max: 12_000 }),
    port: fc.constant(1000),
    sequence: fc.integer({ min: 0, max: 0xffff_ffff }),
    fixedIdentification: fc.boolean(),
    push: fc.boolean(),
  })
  .map((shape) => ({ ...shape, payload: Math.min(shape.payload, 100 * shape.segmentBytes) }));
const PLAIN: Shape = {
  ipv6: false,
  vlan: false,
  options: 12,
  segmentBytes: 1448,
  payload: 14_480,
  port: 1000,
  sequence: 0xffff_f000,
  fixedIdentification: false,
  push: false,
};
const RUNS = { seed: 20_260_115, numRuns: 150 };

/** The payload of all frames of one flow, in order. */
const stream = (out: readonly Out[], port: number): number[] =>
  out
    .map(({ frame }) => frame)
    .filter((frame) => get16(frame, transportOf(frame)) === port)
    .flatMap((frame) => [...frame.subarray(payloadOf(frame))]);

describe("the coalescer", () => {
  test("restores the frame that was segmented, with checksums that a naive receiver accepts", () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const frames = segmentsOf(shape);
        const out = coalesce(frames);
        assert.deepEqual(
          stream(out, shape.port),
          Array.from({ length: shape.payload }, (_, i) => payloadByte(shape.port, i)),
        );
        assert.equal(out.length, Math.ceil(frames.length / 48));
        for (const { frame, segments, segmentBytes, headerBytes } of out) {
          assert.equal(tcpSum(frame), 0xffff);
          assert.equal(ipSum(frame), 0xffff);
          if (segments === 1) continue;
          assert.equal(segmentBytes, shape.segmentBytes);
          assert.equal(headerBytes, payloadOf(frame));
        }
      }),
      RUNS,
    );
  });

  test("segments whose headers and payload are separate are merged like segments in one piece", () => {
    fc.assert(
      fc.property(shapes, fc.nat(100), (shape, gap) => {
        const frames = segmentsOf(shape);
        assert.deepEqual(coalesceSplit(frames, gap), coalesce(frames));
      }),
      RUNS,
    );
  });

  test("segments that cannot be merged are passed on with headers and payload still separate", () => {
    const frames = segmentsOf({ ...PLAIN, payload: 3 * PLAIN.segmentBytes });
    for (const frame of frames) frame[transportOf(frame) + 13]! |= 0x21;
    assert.deepEqual(
      coalesceSplit(frames, 8).map(({ frame }) => frame),
      frames,
    );
  });

  test("segments that are known to be consecutive are merged like other segments", () => {
    const unusual = fc.record({ kind: fc.constantFrom("none", "pad", "fin", "echo", "cut off"), at: fc.nat() });
    fc.assert(
      fc.property(fc.array(fc.tuple(shapes, unusual), { minLength: 1, maxLength: 4 }), (superFrames) => {
        const frames: Uint8Array[] = [];
        const follows: boolean[] = [];
        for (const [i, [shape, { kind, at }]] of superFrames.entries()) {
          const segments = segmentsOf({ ...shape, port: 1000 + (i >> 1), payload: Math.min(shape.payload, 4000) });
          const last = segments.at(-1)!;
          if (kind === "pad") segments[segments.length - 1] = Uint8Array.of(...last, 0, 0, 0);
          if (kind === "fin") last[transportOf(last) + 13]! |= 0x11;
          if (kind === "echo") for (const frame of segments) frame[transportOf(frame) + 13]! |= 0x40;
          // After a lost frame, the port does not declare the next frame a successor, although in memory it looks like
          // one.
          const rest = kind === "cut off" ? segments.slice(at % segments.length) : segments;
          for (const [n, frame] of rest.entries()) {
            frames.push(frame);
            follows.push(n > 0);
          }
        }
        assert.deepEqual(
          coalesce(frames, "carry", [], (i) => follows[i]!),
          coalesce(frames),
        );
      }),
      RUNS,
    );
  });

  test("a wrong checksum of a segment makes the merged checksum wrong, even if segments are known to be consecutive", () => {
    const frames = segmentsOf(PLAIN);
    frames[4]![transportOf(frames[4]!) + 17]! ^= 4;
    const [out, ...none] = coalesce(frames, "carry", [], (i) => i > 0);
    assert.deepEqual(none, []);
    assert.equal(out!.segments, 10);
    assert.notEqual(tcpSum(out!.frame), 0xffff);
  });

  test("merges no segment with a bad IPv4 header checksum, even if it is known to be the next segment", () => {
    const frames = segmentsOf(PLAIN);
    frames[3]![networkOf(frames[3]!) + 11]! ^= 1;
    const out = coalesce(frames, "carry", [], (i) => i > 0);
    assert.deepEqual(out, coalesce(frames));
    assert.deepEqual(
      out.map(({ segments }) => segments),
      [3, 1, 6],
    );
  });

  test("a frame that is wrongly marked as the next segment is treated as if it were not marked", () => {
    const frames = segmentsOf({ ...PLAIN, payload: 4 * 1448 });
    const other = segmentsOf({ ...PLAIN, port: 1001, payload: 8 * 1448 }).slice(4);
    for (const list of [
      [...frames, ...other],
      [frames[0]!, frames[2]!, frames[1]!],
      [new Uint8Array(60), ...frames],
    ])
      assert.deepEqual(
        coalesce(list, "carry", [], () => true),
        coalesce(list),
      );
  });

  test("merges 45 full segments to one frame, and begins another when an IP packet is full", () => {
    const out = coalesce(segmentsOf({ ...PLAIN, payload: 60 * 1448 }));
    assert.deepEqual(
      out.map(({ segments }) => segments),
      [45, 15],
    );
  });

  test("never makes a valid frame if one of its segments was damaged", () => {
    const damage = fc.record({ segment: fc.nat(), at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(shapes, damage, (shape, { segment, at, bits }) => {
        const frames = segmentsOf(shape);
        const victim = frames[segment % frames.length]!;
        // Changes any byte from the TCP header on. The checksum cannot distinguish a 16-bit unit of zeros from a unit
        // of ones, but here only one byte of a unit changes.
        const from = transportOf(victim);
        victim[from + (at % (victim.length - from))]! ^= bits;
        assert.notEqual(tcpSum(victim), 0xffff);
        const valid = coalesce(frames).filter(({ frame }) => tcpSum(frame) === 0xffff);
        const before = segmentsOf(shape).length;
        const intact = valid.reduce((total, { segments }) => total + segments, 0);
        assert.ok(intact < before, `${intact} of ${before} segments are in valid frames`);
      }),
      RUNS,
    );
  });

  test("passes frames with a bad IPv4 header checksum on separately and unchanged", () => {
    const frames = segmentsOf(PLAIN);
    frames[3]![networkOf(frames[3]!) + 8] = 9;
    const out = coalesce(frames);
    assert.deepEqual(
      out.map(({ segments }) => segments),
      [3, 1, 6],
    );
    assert.deepEqual(out[1]!.frame, frames[3]);
  });

  test("preserves the order and the bytes of flows in any mixture", () => {
    const flow = fc.record({
      payload: fc.integer({ min: 1, max: 9000 }),
      segmentBytes: fc.integer({ min: 100, max: 1460 }),
    });
    fc.assert(
      fc.property(
        fc.array(flow, { minLength: 2, maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 200 }),
        (flows, picks) => {
          const waiting = flows.map((f, i) => segmentsOf({ ...PLAIN, ...f, port: 1000 + i }));
          const mixed: Uint8Array[] = [];
          for (const pick of picks) {
            const next = waiting[pick % waiting.length]!.shift();
            if (next !== undefined) mixed.push(next);
          }
          const out = coalesce([...mixed, ...waiting.flat()]);
          for (const [i, { payload }] of flows.entries())
            assert.deepEqual(
              stream(out, 1000 + i),
              Array.from({ length: payload }, (_, b) => payloadByte(1000 + i, b)),
            );
          for (const { frame } of out) assert.equal(tcpSum(frame), 0xffff);
        },
      ),
      { ...RUNS, numRuns: 50 },
    );
  });

  test("does not merge across a gap, a repetition, another acknowledgement, another window or other options", () => {
    const edits: ((frames: Uint8Array[]) => void)[] = [
      (frames) => frames.splice(5, 1),
      (frames) => frames.splice(5, 0, frames[4]!.slice()),
      (frames) => frames.slice(5).forEach((frame) => (frame[transportOf(frame) + 11]! ^= 1)),
      (frames) => frames.slice(5).forEach((frame) => (frame[transportOf(frame) + 14]! ^= 1)),
      (frames) => frames.slice(5).forEach((frame) => (frame[transportOf(frame) + 25]! ^= 1)),
    ];
    for (const edit of edits) {
      const frames = segmentsOf(PLAIN);
      edit(frames);
      const out = coalesce(frames);
      assert.equal(out.length, 2);
      assert.equal(out[0]!.segments, 5);
    }
  });

  test("frames that cannot be merged are passed on at once, and in order", () => {
    const frames = segmentsOf(PLAIN);
    const fin = segment({ ...PLAIN, sequence: PLAIN.sequence + 14_480 }, 0, new Uint8Array(8), true);
    fin[transportOf(fin) + 13] = 0x11;
    const arp = new Uint8Array(60).fill(0xa5);
    const bare = segment({ ...PLAIN, sequence: PLAIN.sequence + 14_480 }, 0, new Uint8Array(0), true);
    const unusual = [...frames.slice(0, 4), arp, ...frames.slice(4, 8), bare, frames[8]!, frames[9]!, fin];
    assert.deepEqual(
      coalesce(unusual).map(({ segments, frame }) => (segments === 1 ? frame.length : segments)),
      [4, 60, 4, bare.length, 2, fin.length],
    );
  });

  test("ends a frame at PSH and at a short segment", () => {
    const pushed = segmentsOf({ ...PLAIN, push: true });
    const more = segmentsOf({ ...PLAIN, sequence: PLAIN.sequence + 14_480, payload: 3000 });
    const after = segment({ ...PLAIN, sequence: PLAIN.sequence + 17_480 }, 0, new Uint8Array(100), false);
    const out = coalesce([...pushed, ...more, after]);
    assert.deepEqual(
      out.map(({ segments }) => segments),
      [10, 3, 1],
    );
    assert.equal(out[0]!.frame[transportOf(out[0]!.frame) + 13], 0x18);
  });

  test("never reads outside the frame, whatever its headers state", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.boolean(), (noise, ipv6) => {
        const frames = segmentsOf({ ...PLAIN, ipv6 });
        for (const frame of frames) frame.set(noise.subarray(0, 40), 14);
        const out = coalesce([...frames, noise]);
        assert.equal(out.at(-1)!.frame.length, noise.length);
      }),
      RUNS,
    );
  });

  test("stores the pseudo header's sum in merged frames that the NIC has verified, and merges only frames with equal tags", () => {
    const frames = segmentsOf(PLAIN);
    const tags = frames.map((_, i) => (i < 6 ? 5 : 6));
    const out = coalesce(frames, "partial", tags);
    assert.deepEqual(
      out.map(({ segments }) => segments),
      [6, 4],
    );
    for (const { frame } of out) {
      const transport = transportOf(frame);
      const pseudo = naiveSum(frame, transport - 8, transport, 6 + frame.length - transport);
      assert.equal(get16(frame, transport + 16), pseudo);
      assert.equal(ipSum(frame), 0xffff);
    }
  });
});
