import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Send } from "#kit/link.ts";
import { tcpFrame, udpFrame, V4, V6 } from "./host-frames.test-kit.ts";
import { CUT_IN_SOFTWARE, NONSENSE, SendRequest } from "./send-request.ts";
import { DATA_VALID, Gso, NEEDS_CHECKSUM, VnetHeader } from "./vnet-header.ts";

const requestFor = (frame: Uint8Array, gso: number, segmentBytes: number, flags: number): number => {
  const header = new VnetHeader();
  header.setSegments(gso, segmentBytes, 0);
  new Uint8Array(header.buffer)[0] = flags;
  return new SendRequest().translate(header, frame, 0, frame.length, 0, true);
};

test("a super-frame whose checksum is there already is cut in software, whether it was verified or not", () => {
  for (const flags of [0, DATA_VALID])
    for (const [frame, gso] of [
      [tcpFrame(V4, 3000), Gso.tcp4],
      [tcpFrame(V6, 3000), Gso.tcp6],
      [tcpFrame({ ...V4, tag: 7 }, 3000), Gso.tcp4],
      [tcpFrame(V4, 3000), Gso.tcp4 | Gso.ecn],
    ] as const)
      assert.equal(requestFor(frame, gso, 1448, flags), CUT_IN_SOFTWARE, `flags ${flags}, gso ${gso}`);
});

test("a super-frame that is none, since it fits into one segment, goes as it is", () => {
  for (const [payload, segmentBytes] of [
    [0, 1448],
    [1, 1],
    [1448, 1448],
  ] as const)
    for (const flags of [0, DATA_VALID])
      assert.equal(requestFor(tcpFrame(V4, payload), Gso.tcp4, segmentBytes, flags), 0);
  assert.equal(requestFor(tcpFrame(V4, 1449), Gso.tcp4, 1448, 0), CUT_IN_SOFTWARE);
});

test("segmentation that does not fit the frame's protocol, or of nothing per segment, is nonsense without flags too", () => {
  for (const flags of [0, DATA_VALID]) {
    assert.equal(requestFor(tcpFrame(V4, 3000), Gso.tcp6, 1448, flags), NONSENSE);
    assert.equal(requestFor(udpFrame(V4, 3000), Gso.tcp4, 1448, flags), NONSENSE);
    assert.equal(requestFor(tcpFrame(V4, 3000), Gso.tcp4, 0, flags), NONSENSE);
    assert.equal(requestFor(tcpFrame(V4, 3000), 3, 1448, flags), NONSENSE);
  }
});

test("a virtio header that does not fit its frame never leads outside it", () => {
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
  const request = new SendRequest();
  fc.assert(
    fc.property(frames, fields, fc.nat(120), fc.uint8Array({ maxLength: 60 }), (frame, field, cut, noise) => {
      const bytes = frame.slice();
      bytes.set(noise.subarray(0, bytes.length - 14), 14);
      const length = bytes.length - Math.min(cut, bytes.length - 14);
      header.clear();
      header.setSegments(field.gso, field.segmentBytes, 0);
      if ((field.flags & NEEDS_CHECKSUM) !== 0) header.setChecksum(field.checksumStart, field.checksumOffset);
      const result = request.translate(header, bytes, 0, length, 0, true);
      if (result === NONSENSE || result === 0) return;
      if ((field.flags & NEEDS_CHECKSUM) === 0) return assert.equal(result, CUT_IN_SOFTWARE);
      assert.ok(field.checksumStart + field.checksumOffset + 2 <= length);
      const transport = (result & Send.transportOffset) >>> Send.transportOffsetShift;
      if (result > 0) assert.equal(transport, field.checksumStart);
    }),
    { seed: 20_260_119, numRuns: 3000 },
  );
});
