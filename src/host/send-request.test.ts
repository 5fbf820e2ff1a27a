import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Offloads, Send } from "#kit/link.ts";
import { OFFLOADS, tcpFrame, udpFrame, V4, V6 } from "./host-frames.test-kit.ts";
import { SEGMENT_IN_SOFTWARE, INVALID, SendRequest, CHECKSUM_IN_SOFTWARE } from "./send-request.ts";
import { DATA_VALID, Gso, NEEDS_CHECKSUM, VnetHeader } from "./vnet-header.ts";

const requestFor = (
  frame: Uint8Array,
  gso: number,
  segmentBytes: number,
  flags: number,
  offloads: Offloads = OFFLOADS,
): number => {
  const header = new VnetHeader();
  header.setSegments(gso, segmentBytes, 0);
  new Uint8Array(header.buffer)[0] = flags;
  if ((flags & NEEDS_CHECKSUM) !== 0) header.setChecksum(34, gso === Gso.none && frame[23] === 17 ? 6 : 16);
  return new SendRequest(offloads).translate(header, frame, 0, frame.length, 0);
};

test("a super-frame with a complete checksum is segmented in software, whether or not it is marked as verified", () => {
  for (const flags of [0, DATA_VALID])
    for (const [frame, gso] of [
      [tcpFrame(V4, 3000), Gso.tcp4],
      [tcpFrame(V6, 3000), Gso.tcp6],
      [tcpFrame({ ...V4, tag: 7 }, 3000), Gso.tcp4],
      [tcpFrame(V4, 3000), Gso.tcp4 | Gso.ecn],
    ] as const)
      assert.equal(requestFor(frame, gso, 1448, flags), SEGMENT_IN_SOFTWARE, `flags ${flags}, gso ${gso}`);
});

const asked = (payload: number, size: number, limits: Partial<Offloads>): boolean =>
  requestFor(tcpFrame(V4, payload), Gso.tcp4, size, NEEDS_CHECKSUM, { ...OFFLOADS, ...limits }) > 0;

test("a super-frame beyond the NIC's limits is segmented in software", () => {
  assert.deepEqual([asked(32_000 - 66, 1448, { superFrameBytes: 32_000 }), asked(64_000 - 66, 1448, {})], [true, true]);
  assert.deepEqual(
    [asked(32_001 - 66, 1448, { superFrameBytes: 32_000 }), asked(64_001 - 66, 1448, {})],
    [false, false],
  );
  assert.deepEqual([asked(24 * 100, 100, { segments: 24 }), asked(24 * 100 + 1, 100, { segments: 24 })], [true, false]);
  assert.equal(asked(3000, 1448, { segmentation: false }), false);
  assert.deepEqual([asked(5000, 0x7ff, {}), asked(5000, 0x800, {})], [true, false]);
});

test("offloads that the NIC would do wrongly are done in software, the others by the NIC", () => {
  const seen: number[] = [];
  const offloads = (wrong: boolean): Offloads => ({
    ...OFFLOADS,
    refuses: (_bytes, _frame, length, flags) => {
      seen.push(length, flags);
      return wrong;
    },
  });
  const sum = udpFrame(V4, 100);
  const cut = tcpFrame(V4, 3000);
  const at = 34 << Send.transportOffsetShift;
  const asked = [Send.udpChecksum | at, Send.tcpChecksum | at | 1448] as const;
  const both = (wrong: boolean) => [
    requestFor(sum, Gso.none, 0, NEEDS_CHECKSUM, offloads(wrong)),
    requestFor(cut, Gso.tcp4, 1448, NEEDS_CHECKSUM, offloads(wrong)),
  ];
  assert.deepEqual(both(false), asked);
  assert.deepEqual(both(true), [CHECKSUM_IN_SOFTWARE, SEGMENT_IN_SOFTWARE]);
  assert.deepEqual(seen.slice(0, 4), [sum.length, asked[0], cut.length, asked[1]]);
  assert.equal(requestFor(sum, Gso.none, 0, 0, offloads(true)), 0, "nothing is requested for a finished frame");
});

test("a super-frame that fits into one segment is sent unchanged", () => {
  for (const [payload, segmentBytes] of [
    [0, 1448],
    [1, 1],
    [1448, 1448],
  ] as const)
    for (const flags of [0, DATA_VALID])
      assert.equal(requestFor(tcpFrame(V4, payload), Gso.tcp4, segmentBytes, flags), 0);
  assert.equal(requestFor(tcpFrame(V4, 1449), Gso.tcp4, 1448, 0), SEGMENT_IN_SOFTWARE);
});

test("segmentation that does not match the frame's protocol, or with size 0, is invalid also without flags", () => {
  for (const flags of [0, DATA_VALID]) {
    assert.equal(requestFor(tcpFrame(V4, 3000), Gso.tcp6, 1448, flags), INVALID);
    assert.equal(requestFor(udpFrame(V4, 3000), Gso.tcp4, 1448, flags), INVALID);
    assert.equal(requestFor(tcpFrame(V4, 3000), Gso.tcp4, 0, flags), INVALID);
    assert.equal(requestFor(tcpFrame(V4, 3000), 3, 1448, flags), INVALID);
  }
});

test("a virtio header that does not match its frame never leads to an access outside the frame", () => {
  const fields = fc.record({
    flags: fc.constantFrom(0, 1, 2, 3),
    gso: fc.constantFrom(0, 1, 3, 4, 5, 0x81, 0x84, 0xff),
    segmentBytes: fc.oneof(fc.constant(1448), fc.nat(0xffff)),
    checksumStart: fc.oneof(fc.constantFrom(14, 34, 38, 54, 58), fc.nat(0xffff)),
    checksumOffset: fc.oneof(fc.constantFrom(6, 16), fc.nat(0xffff)),
  });
  const frames = fc.constantFrom(
    tcpFrame(V4, 3000),
    tcpFrame(V6, 3000),
    udpFrame(V4, 50),
    udpFrame(V6, 0),
    tcpFrame(V4, 0),
  );
  const header = new VnetHeader();
  const request = new SendRequest(OFFLOADS);
  fc.assert(
    fc.property(frames, fields, fc.nat(120), fc.uint8Array({ maxLength: 60 }), (frame, field, cut, noise) => {
      const bytes = frame.slice();
      bytes.set(noise.subarray(0, bytes.length - 14), 14);
      const length = bytes.length - Math.min(cut, bytes.length - 14);
      header.clear();
      header.setSegments(field.gso, field.segmentBytes, 0);
      if ((field.flags & NEEDS_CHECKSUM) !== 0) header.setChecksum(field.checksumStart, field.checksumOffset);
      const result = request.translate(header, bytes, 0, length, 0);
      if (result === INVALID || result === 0) return;
      if ((field.flags & NEEDS_CHECKSUM) === 0) return assert.equal(result, SEGMENT_IN_SOFTWARE);
      assert.ok(field.checksumStart + field.checksumOffset + 2 <= length);
      const transport = (result & Send.transportOffset) >>> Send.transportOffsetShift;
      if (result > 0) assert.equal(transport, field.checksumStart);
    }),
    { seed: 20_260_119, numRuns: 3000 },
  );
});
