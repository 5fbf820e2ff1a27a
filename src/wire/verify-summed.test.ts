import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { put16 } from "./bigendian.ts";
import { sum } from "./checksum.ts";
import { fillIpv4Checksum, fillTransportChecksum } from "./fill.ts";
import { type Memory, newMemory } from "./memory.ts";
import { Verified, verify } from "./verify.ts";
import { verifySummed } from "./verify-summed.ts";

interface Shape {
  readonly ipv6: boolean;
  readonly protocol: number;
  readonly tags: number;
  readonly payload: number;
  /** Number of bytes after the packet. */
  readonly padding: number;
  readonly sealed: boolean;
  readonly noChecksum: boolean;
  /**
   * Changes after the frame was built: a position in the headers (modulo their length), and the bits that are flipped
   * there.
   */
  readonly flips: readonly (readonly [at: number, bits: number])[];
  /** Number of bytes truncated from the frame's end. */
  readonly cut: number;
  readonly place: number;
}

const TCP = 6;
const UDP = 17;

const shapes: fc.Arbitrary<Shape> = fc.record({
  ipv6: fc.boolean(),
  protocol: fc.constantFrom(TCP, TCP, UDP, UDP, 1, 58, 0, 44),
  tags: fc.constantFrom(0, 0, 1, 1, 2),
  payload: fc.oneof(fc.nat(40), fc.nat(1500)),
  padding: fc.constantFrom(0, 0, 0, 1, 6),
  sealed: fc.constantFrom(true, true, false),
  noChecksum: fc.constantFrom(false, false, false, true),
  flips: fc.oneof(fc.constant([]), fc.array(fc.tuple(fc.nat(99), fc.integer({ min: 1, max: 255 })), { maxLength: 2 })),
  cut: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, 2, 30, 60),
  place: fc.constantFrom(2, 2, 6, 0, 1, 3),
});

const BYTES = 2048;

/** Builds the frame in `memory`, with other bytes around it. Returns its length. */
const build = (s: Shape, memory: Memory): number => {
  const { bytes } = memory;
  for (let i = 0; i < BYTES; i++) bytes[i] = i * 37 + (i >> 3);
  const network = 14 + 4 * s.tags;
  const transport = network + (s.ipv6 ? 40 : 20);
  const header = s.protocol === UDP ? 8 : 20;
  const end = transport + header + s.payload;
  const at = s.place;
  for (let tag = 0; tag < s.tags; tag++) put16(bytes, at + 12 + 4 * tag, tag === 0 ? 0x8100 : 0x88a8);
  put16(bytes, at + network - 2, s.ipv6 ? 0x86dd : 0x0800);
  bytes[at + network] = s.ipv6 ? 0x60 : 0x45;
  if (s.ipv6) put16(bytes, at + network + 4, end - transport);
  else {
    put16(bytes, at + network + 2, end - network);
    put16(bytes, at + network + 6, 0x4000);
  }
  bytes[at + network + (s.ipv6 ? 6 : 9)] = s.protocol;
  if (s.protocol === TCP) bytes[at + transport + 12] = 5 << 4;
  if (s.protocol === UDP) put16(bytes, at + transport + 4, end - transport);
  if (s.sealed && !s.ipv6) fillIpv4Checksum(memory, at + network, at + end);
  if (s.sealed && (s.protocol === TCP || s.protocol === UDP))
    fillTransportChecksum(memory, at + network, at + transport, at + end, s.protocol);
  if (s.noChecksum && s.protocol === UDP) put16(bytes, at + transport + 6, 0);
  for (const [place, bits] of s.flips) bytes[at + (place % (transport + header))]! ^= bits;
  return Math.max(14, end + s.padding - s.cut);
};

const RUNS = { seed: 20_270_301, numRuns: 4000 };

test("gives the same result as `verify` for every frame at any offset, with a sum over the frame with or without its tag", () => {
  const memory = newMemory(BYTES);
  let common = 0;
  fc.assert(
    fc.property(shapes, (s) => {
      const length = build(s, memory);
      const expected = verify(memory, s.place, length);
      if ((expected & Verified.transportGood) !== 0) common++;
      assert.equal(verifySummed(memory, s.place, length, false, sum(memory, s.place, length)), expected);
      const tagged = memory.bytes[s.place + 12] === 0x81 && memory.bytes[s.place + 13] === 0 && length >= 18;
      if (!tagged) return;
      assert.equal(verifySummed(memory, s.place, length, true, sum(memory, s.place + 16, length - 16)), expected);
    }),
    RUNS,
  );
  assert.ok(common > 500, `only ${common} frames had a correct transport checksum`);
});

test("a wrong sum from the caller changes only the result for the transport checksum", () => {
  const memory = newMemory(BYTES);
  for (const ipv6 of [false, true])
    for (const protocol of [TCP, UDP]) {
      const plain = { ipv6, protocol, tags: 0, payload: 99, padding: 0, sealed: true, noChecksum: false, cut: 0 };
      const length = build({ ...plain, flips: [], place: 6 }, memory);
      const total = sum(memory, 6, length);
      const good = verifySummed(memory, 6, length, false, total);
      assert.equal(verifySummed(memory, 6, length, false, total ^ 0x100), good & ~Verified.transportGood);
    }
});
