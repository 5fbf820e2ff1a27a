import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { hex } from "./golden.test-kit.ts";
import { memoryOf, newMemory } from "./memory.ts";
import { Direction, PcapngWriter, Resolution } from "./pcapng.ts";
import { MalformedCapture } from "./captured-packet.ts";
import { flags, frame, Section } from "./captures.test-kit.ts";
import { readPcapng } from "./pcapng-reader.ts";

const file = (build: (writer: PcapngWriter) => void, snap = 65_535): Uint8Array => {
  const writer = new PcapngWriter(newMemory(1 << 16), snap);
  assert.ok(writer.section("test"));
  build(writer);
  return writer.memory.bytes.slice(0, writer.used);
};

const SAMPLE = file((writer) => {
  writer.interface("one", Resolution.micro);
  writer.interface("two", Resolution.nano);
  writer.packet(1, Direction.inbound, 1_700_000_000, 123_456_789, memoryOf(Uint8Array.of(1, 2, 3, 4, 5)), 0, 5);
});

test("reads back the packets that `PcapngWriter` wrote, truncated to the snap length", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          id: fc.nat(1),
          direction: fc.nat(2),
          seconds: fc.nat(),
          nanoseconds: fc.nat(999_999_999),
          frame: fc.uint8Array({ maxLength: 90 }),
          at: fc.nat(3),
        }),
        { maxLength: 20 },
      ),
      (packets) => {
        const bytes = file((writer) => {
          writer.interface("one", Resolution.micro);
          writer.interface("two", Resolution.nano);
          for (const p of packets) {
            const memory = newMemory(p.at + p.frame.length);
            memory.bytes.set(p.frame, p.at);
            writer.packet(p.id, p.direction, p.seconds, p.nanoseconds, memory, p.at, p.frame.length);
          }
        }, 64);
        assert.deepEqual(
          [...readPcapng(bytes)],
          packets.map((p) => ({
            interfaceId: p.id,
            interfaceName: ["one", "two"][p.id],
            linkType: 1,
            direction: p.direction,
            damaged: false,
            timed: true,
            seconds: p.seconds,
            nanoseconds: p.id === 0 ? Math.floor(p.nanoseconds / 1000) * 1000 : p.nanoseconds,
            originalLength: p.frame.length,
            bytes: p.frame.slice(0, 64),
          })),
        );
      },
    ),
  );
});

test("reads big-endian sections and simple packets, and skips unknown blocks", () => {
  const bytes = hex(`0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c
    00000001 00000014 0001 0000 00000004 00000014
    00000bad 00000010 deadbeef 00000010
    00000003 00000014 00000006 01020304 00000014`);
  const [packet, ...rest] = [...readPcapng(bytes)];
  assert.equal(rest.length, 0);
  assert.deepEqual(packet?.bytes, Uint8Array.of(1, 2, 3, 4));
  assert.equal(packet?.originalLength, 6);
});

test("a truncated file gives its complete packets first, then an error with the offset of the incomplete block", () => {
  const torn = new Uint8Array([...SAMPLE, ...SAMPLE.slice(-52)]).subarray(0, SAMPLE.length + 30);
  const reading = readPcapng(torn);
  assert.equal(reading.next().done, false);
  assert.throws(
    () => reading.next(),
    (error) =>
      error instanceof MalformedCapture && error.offset === SAMPLE.length && error.code === "MALFORMED_CAPTURE",
  );
});

test("reads obsolete packet blocks, in both byte orders", () => {
  for (const little of [true, false]) {
    const packets = [
      ...readPcapng(new Section(little).interface().interface(113).obsolete(5_000_001, frame(61), 1).bytes),
    ];
    assert.deepEqual(
      packets.map(({ interfaceId, linkType, seconds, nanoseconds, bytes: { length } }) => [
        interfaceId,
        linkType,
        seconds,
        nanoseconds,
        length,
      ]),
      [[1, 113, 5, 1000, 61]],
    );
  }
});

test("removes the FCS that an interface or a packet declares, and reports damage", () => {
  for (const little of [true, false]) {
    const section = new Section(little)
      .interface(1, [[13, [4]]])
      .interface(1, [[13, [32]]])
      .interface();
    section.packet(1, frame(64));
    section.packet(1, frame(64), { id: 1 });
    section.packet(1, frame(64), { id: 2, options: [flags(4 << 5)] });
    section.packet(1, frame(64), { id: 2, options: [flags(1)] });
    section.packet(1, frame(64), { options: [flags(2 << 5)] });
    section.packet(1, frame(64), { options: [flags(0x0100_0000)] });
    section.simple(frame(64));
    assert.deepEqual(
      [...readPcapng(section.bytes)].map(({ originalLength, bytes, damaged }) => [
        originalLength,
        bytes.length,
        damaged,
      ]),
      [
        [60, 60, false],
        [60, 60, false],
        [60, 60, false],
        [64, 64, false],
        [62, 62, false],
        [60, 60, true],
        [60, 60, false],
      ],
    );
  }
});

test("applies each interface's resolution and offset, up to the finest that can be represented; a simple packet has no time", () => {
  const section = new Section()
    .interface(1, [
      [9, [0x8a]],
      [14, [5, 0, 0, 0, 0, 0, 0, 0]],
    ])
    .interface(1, [[9, [0xff]]])
    .interface(1, [[9, [19]]])
    .packet(1536)
    .packet(1, frame(), { id: 1 })
    .packet(1, frame(), { id: 2 })
    .simple();
  assert.deepEqual(
    [...readPcapng(section.bytes)].map(({ timed, seconds, nanoseconds }) => [timed, seconds, nanoseconds]),
    [
      [true, 6, 500_000_000],
      [true, 0, 0],
      [true, 0, 0],
      [false, 0, 0],
    ],
  );
});

test("sections of either byte order, blocks of other types and interfaces of any link type can be mixed", () => {
  const big = new Section(false).interface(113).interface();
  big
    .block(0x0bad, (body) => body.put(4, 0x8000))
    .packet(1, frame(60))
    .packet(2, frame(61), { id: 1 });
  const little = new Section().block(10, (body) => body.put(4, 0x544c_534b, 3).add([1, 2, 3])).interface();
  little.block(4, (body) => body.put(4, 0)).packet(3, frame(62));
  assert.deepEqual(
    [...readPcapng(Uint8Array.from([...big.bytes, ...little.bytes]))].map(({ linkType, bytes }) => [
      linkType,
      bytes.length,
    ]),
    [
      [113, 60],
      [1, 61],
      [1, 62],
    ],
  );
});

test("a block with invalid contents is reported, and the next ones are read", () => {
  const section = new Section()
    .block(1, (body) => body.put(2, 1, 0))
    .interface()
    .packet(1, frame(60), { id: 7 })
    .packet(2, frame(60))
    .packet(3, frame(61), { id: 1 });
  const faults: string[] = [];
  const packets = [...readPcapng(section.bytes, (fault) => faults.push(fault.message))];
  assert.deepEqual(
    packets.map(({ linkType, bytes }) => [linkType, bytes.length]),
    [
      [-1, 60],
      [1, 61],
    ],
  );
  assert.equal(faults.length, 2);
  assert.match(faults[0]!, /too short for an interface description/);
  assert.match(faults[1]!, /interface 7 was not declared/);
});

const refuses = (title: string, bytes: Uint8Array, message: RegExp): void => {
  void test(`refuses ${title}`, () => {
    assert.throws(() => [...readPcapng(bytes)], { name: "MalformedCapture", message });
  });
};
const patched = (at: number, ...values: number[]): Uint8Array => {
  const bytes = SAMPLE.slice();
  bytes.set(values, at);
  return bytes;
};
const SECTION = new DataView(SAMPLE.buffer).getUint32(4, true);
const PACKET = SAMPLE.length - 52;

refuses("an empty file", new Uint8Array(0), /empty/);
refuses("a classic pcap file", hex("d4c3b2a1 0200 0400 00000000 00000000"), /not a pcapng file/);
refuses("a wrong byte-order magic", patched(8, 0), /magic/);
refuses("an unknown version", patched(12, 2), /version 2/);
refuses("a block whose lengths differ", patched(SAMPLE.length - 4, 0x38), /do not agree/);
refuses("a block of length 0", patched(SECTION + 4, 0), /invalid length/);
refuses("a block of gigabytes", patched(SECTION + 4, 0, 0, 0, 0x40), /ends inside a block/);
refuses("a packet of an interface that was not declared", patched(PACKET + 8, 2), /interface 2/);
refuses("a packet longer than its block", patched(PACKET + 20, 21), /do not fit/);
refuses("a packet of 4 GiB", patched(PACKET + 20, 0xff, 0xff, 0xff, 0xff), /do not fit/);
refuses("an option longer than its block", patched(SECTION + 18, 200), /option 2 does not fit/);

test("a file with random damage gives packets or MalformedCapture, and nothing else", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(SAMPLE.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      fc.nat(SAMPLE.length),
      (damage, length) => {
        const bytes = SAMPLE.slice(0, length);
        for (const [at, value] of damage) if (at < length) bytes[at] = value;
        try {
          for (const packet of readPcapng(bytes)) assert.ok(packet.bytes.length <= length);
        } catch (error) {
          assert.ok(error instanceof MalformedCapture, String(error));
        }
      },
    ),
    { numRuns: 3000 },
  );
});
