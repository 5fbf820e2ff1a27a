import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { MalformedCapture } from "./captured-packet.ts";
import { frame, pcap } from "./captures.test-kit.ts";
import { newMemory } from "./memory.ts";
import { readCapture, readPcap } from "./pcap-reader.ts";
import { Direction, PcapngWriter, Resolution } from "./pcapng.ts";

/** A file with one packet of four captured bytes, whose time stamp is 5 seconds and 7 units of the resolution. */
const file = (little: boolean, magic = 0xa1b2_c3d4, linkType = 1): Uint8Array => {
  const bytes = new Uint8Array(24 + 16 + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, little);
  view.setUint16(4, 2, little);
  view.setUint16(6, 4, little);
  view.setUint32(16, 65_535, little);
  view.setUint32(20, linkType, little);
  for (const [i, word] of [5, 7, 4, 60].entries()) view.setUint32(24 + 4 * i, word, little);
  bytes.set([1, 2, 3, 4], 40);
  return bytes;
};

test("reads pcap files of both byte orders and both resolutions", () => {
  for (const little of [true, false])
    for (const [magic, nanoseconds] of [
      [0xa1b2_c3d4, 7000],
      [0xa1b2_3c4d, 7],
    ] as const) {
      const [packet, ...others] = [...readPcap(file(little, magic))];
      assert.equal(others.length, 0);
      assert.deepEqual([packet!.seconds, packet!.nanoseconds, packet!.originalLength], [5, nanoseconds, 60]);
      assert.deepEqual([...packet!.bytes], [1, 2, 3, 4]);
    }
});

test("rejects truncated and invalid pcap files, with the offset of the error", () => {
  const whole = file(true);
  assert.throws(() => [...readPcap(whole.subarray(0, 20))], /byte 0: the file ends inside its header/);
  assert.throws(() => [...readPcap(whole.subarray(0, 30))], /byte 24: the file ends inside a packet's header/);
  assert.throws(() => [...readPcap(whole.subarray(0, 43))], /byte 24: the file ends inside a packet/);
  assert.throws(() => [...readPcap(file(true, 1))], /wrong magic number/);
  const long = file(true);
  long.fill(0xff, 32, 36);
  assert.throws(() => [...readPcap(long)], /exceeds the limit/);
});

test("returns the link type of each packet, including reserved bits", () => {
  assert.equal([...readPcap(pcap([{}], { link: 113 }))][0]!.linkType, 113);
  assert.equal([...readPcap(pcap([{}], { link: 0x0001_0001 }))][0]!.linkType, 0x0001_0001);
});

test("an FCS that the link-type word declares is not part of the frame, in whatever unit it is counted", () => {
  const bytes = frame(64);
  for (const little of [true, false])
    for (const link of [0x2400_0001, 0x4400_0001]) {
      const [packet] = [...readPcap(pcap([{ bytes }], { link, little }))];
      assert.deepEqual([packet!.linkType, packet!.originalLength, packet!.bytes.length], [1, 60, 60]);
    }
  // The FCS is not declared, because the flag for it is clear.
  assert.equal([...readPcap(pcap([{ bytes }], { link: 0x2000_0001 }))][0]!.bytes.length, 64);
  // The capture lacks only the FCS, so the frame is complete.
  const [cut] = [...readPcap(pcap([{ bytes: bytes.subarray(0, 60), original: 64 }], { link: 0x2400_0001 }))];
  assert.deepEqual([cut!.originalLength, cut!.bytes.length], [60, 60]);
});

test("bytes captured beyond the original length are not part of the frame", () => {
  const [packet] = [...readPcap(pcap([{ bytes: frame(76), original: 60 }]))];
  assert.deepEqual([packet!.originalLength, packet!.bytes.length], [60, 60]);
  assert.equal([...readPcap(pcap([{ original: 0 }]))][0]!.originalLength, 0);
});

const times = (...fractions: readonly number[]): number[] =>
  [...readPcap(pcap(fractions.map((fraction) => ({ fraction }))))].map(({ nanoseconds }) => nanoseconds);

test("detects nanoseconds in a file with the magic number of microseconds, and accepts microseconds slightly above a million", () => {
  assert.deepEqual(times(999_999_000, 1000, 2000), [999_999_000, 1000, 2000]);
  assert.deepEqual(times(1_000_000, 999_999), [1_000_000_000, 999_999_000]);
});

test("reads modified pcap, whose packets have a direction", () => {
  for (const little of [true, false]) {
    const bytes = pcap([{ type: 0 }, { type: 4, fraction: 7 }], { magic: 0xa1b2_cd34, little });
    const packets = [...readCapture(bytes)];
    assert.deepEqual(
      packets.map(({ direction, nanoseconds, bytes: { length } }) => [direction, nanoseconds, length]),
      [
        [Direction.unknown, 0, 60],
        [Direction.outbound, 7000, 60],
      ],
    );
  }
});

test("distinguishes pcap from pcapng, and rejects other formats", () => {
  const memory = newMemory(1024);
  const writer = new PcapngWriter(memory, 1000);
  writer.section("test");
  writer.interface("wire", Resolution.nano);
  writer.packet(0, 1, 9, 8, newMemory(60), 0, 60);
  assert.equal([...readCapture(memory.bytes.subarray(0, writer.used))][0]!.seconds, 9);
  assert.equal([...readCapture(file(true))].length, 1);
  assert.equal([...readCapture(file(false))].length, 1);
  for (const bytes of [new Uint8Array(0), new Uint8Array(3), new Uint8Array(100)])
    assert.throws(() => [...readCapture(bytes)], MalformedCapture);
});

test("for any bytes, reading ends, with packets or with MalformedCapture", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (tail, little) => {
      const bytes = new Uint8Array([...file(little).subarray(0, 24), ...tail]);
      try {
        for (const packet of readCapture(bytes)) assert.ok(packet.bytes.length <= tail.length);
      } catch (error) {
        assert.ok(error instanceof MalformedCapture);
      }
    }),
  );
});
