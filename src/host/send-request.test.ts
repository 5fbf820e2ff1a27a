import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Send } from "#kit/link.ts";
import { tcpFrame, udpFrame, V4, V6 } from "./host-frames.test-kit.ts";
import { NONSENSE, SendRequest } from "./send-request.ts";
import { NEEDS_CHECKSUM, VnetHeader } from "./vnet-header.ts";

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
      assert.ok(field.checksumStart + field.checksumOffset + 2 <= length);
      const transport = (result & Send.transportOffset) >>> Send.transportOffsetShift;
      if (result > 0) assert.equal(transport, field.checksumStart);
    }),
    { seed: 20_260_119, numRuns: 3000 },
  );
});
