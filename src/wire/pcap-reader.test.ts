import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { newMemory } from "./memory.ts";
import { readCapture, readPcap } from "./pcap-reader.ts";
import { PcapngWriter, Resolution } from "./pcapng.ts";
import { MalformedCapture } from "./pcapng-reader.ts";

/** A file with one packet of four bytes, at 5 s and 7 units. */
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

test("takes apart both byte orders and both resolutions", () => {
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

test("refuses what does not hold together, and says where", () => {
  const whole = file(true);
  assert.throws(() => [...readPcap(whole.subarray(0, 20))], /byte 0: the file ends inside its header/);
  assert.throws(() => [...readPcap(whole.subarray(0, 30))], /byte 24: the file ends inside a packet's header/);
  assert.throws(() => [...readPcap(whole.subarray(0, 43))], /byte 24: the file ends inside a packet/);
  assert.throws(() => [...readPcap(file(true, 0xa1b2_c3d4, 113))], /link type 113 is not Ethernet/);
  assert.throws(() => [...readPcap(file(true, 1))], /no magic number/);
  const long = file(true);
  long.fill(0xff, 32, 36);
  assert.throws(() => [...readPcap(long)], /cannot be/);
});

test("tells the two forms apart, and what is neither is no pcapng", () => {
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

test("whatever the bytes, it ends, with packets or with MalformedCapture", () => {
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
