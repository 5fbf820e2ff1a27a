/** What leaves: gathering, padding, tags, checksums, segmentation, and what guests get wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EndOfRing, FirstSegment, LastSegment, Own, TxInsertTag, TxV2 } from "#chip/descriptors.ts";
import {
  ChipCmd,
  Cmd,
  Intr,
  IntrStatus,
  Poll,
  THPDS,
  THPDSHigh,
  TNPDS,
  TNPDSHigh,
  TxConf,
  TxConfig,
  TxPoll,
} from "#chip/registers.ts";
import { get16, get32 } from "#wire/bigendian.ts";
import { memoryOf, newMemory } from "#wire/memory.ts";
import { slowSum } from "#wire/reference.ts";
import { segment } from "#wire/segment.ts";
import { Verified, verify } from "#wire/verify.ts";
import { BASE, BROADCAST, frame, Guest, MAC, MEMORY_BYTES, RX_RING, TX_DATA, TX_RING } from "./guest.test-kit.ts";
import { ipv4Tcp, ipv4Udp, ipv6Tcp } from "./packets.test-kit.ts";

const up = (): Guest => {
  const guest = new Guest();
  guest.bringUp();
  return guest;
};
const verdict = (bytes: Uint8Array): number => verify(memoryOf(bytes.slice()), 0, bytes.length);
const TCP_GOOD = Verified.ip | Verified.tcp | Verified.ipGood | Verified.transportGood;
const UDP_GOOD = Verified.ip | Verified.udp | Verified.ipGood | Verified.transportGood;

test("gathers a frame from fragments of odd lengths at odd places", () => {
  const guest = up();
  const whole = frame(BROADCAST, 301);
  guest.send(
    { bytes: whole.slice(0, 13) },
    { bytes: whole.slice(13, 14) },
    { bytes: whole.slice(14, 201) },
    { bytes: whole.slice(201) },
  );
  assert.deepEqual(guest.cable.frames, [whole]);
  for (let i = 0; i < 4; i++) assert.equal(guest.descriptor(TX_RING, i).opts1 & Own, 0);
});

test("pads a short frame with zeros to 60 bytes", () => {
  const guest = up();
  guest.cable.bytes.fill(0xa5);
  guest.send({ bytes: frame(BROADCAST, 42) });
  const [sent] = guest.cable.frames;
  assert.equal(sent!.length, 60);
  assert.deepEqual(sent!.slice(0, 42), frame(BROADCAST, 42));
  assert.ok(sent!.slice(42).every((byte) => byte === 0));
});

test("sends frames of the largest MTU and none that is longer", () => {
  const guest = up();
  guest.send({ bytes: frame(BROADCAST, 9194 + 18) });
  guest.send({ bytes: frame(BROADCAST, 9194 + 19) });
  assert.deepEqual(
    guest.cable.frames.map((f) => f.length),
    [9212],
  );
  assert.equal(guest.nic.counters.txErrors, 1);
  assert.equal(guest.nic.offences.frame, 1);
  assert.equal(guest.descriptor(TX_RING, 1).opts1 & Own, 0);
  assert.ok(guest.r16(IntrStatus) & Intr.transmitError);
});

test("puts a VLAN tag between addresses and type", () => {
  const guest = up();
  const plain = frame(BROADCAST, 100);
  guest.send({ bytes: plain, opts2: TxInsertTag | 0x2350 });
  const [sent] = guest.cable.frames;
  assert.equal(sent!.length, 104);
  assert.equal(get32(sent!, 12), 0x8100_5023);
  assert.deepEqual(sent!.slice(16), plain.slice(12));
  assert.deepEqual(sent!.slice(0, 12), plain.slice(0, 12));
});

test("fills in IPv4, TCP and UDP checksums whatever the fields held", () => {
  const guest = up();
  const tcp = ipv4Tcp({ payload: 333 });
  tcp[14 + 20 + 16] = 0xde;
  tcp[14 + 10] = 0xad;
  guest.send({ bytes: tcp, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (34 << TxV2.checksumOffsetShift) });
  guest.send({ bytes: ipv4Udp({ payload: 40 }), opts2: TxV2.ipv4Checksum | TxV2.udpChecksum | (34 << 18) });
  guest.send({ bytes: ipv6Tcp({ payload: 100 }), opts2: TxV2.ipv6Checksum | TxV2.tcpChecksum | (54 << 18) });
  assert.deepEqual(guest.cable.frames.map(verdict), [TCP_GOOD, UDP_GOOD, TCP_GOOD]);
  const [sent] = guest.cable.frames;
  assert.equal(slowSum(sent!, 14, 20), 0xffff);
  assert.equal(slowSum(sent!, 34, 353, slowSum(sent!, 26, 8) + 6 + 353), 0xffff);
});

test("fills in checksums behind a tag, one in the frame or one put in", () => {
  const guest = up();
  const plain = ipv4Tcp({ payload: 90 });
  const tagged = Uint8Array.of(...plain.slice(0, 12), 0x81, 0, 0, 7, ...plain.slice(12));
  guest.send({ bytes: tagged, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (38 << 18) });
  // Bits 27:18 hold the transport offset, 17 the tag's flag.
  guest.send({ bytes: plain, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (34 << 18) | TxInsertTag | 0x0700 });
  assert.deepEqual(guest.cable.frames.map(verdict), [TCP_GOOD, TCP_GOOD]);
  assert.deepEqual(guest.cable.frames[0], guest.cable.frames[1]);
});

test("a UDP checksum that comes out as zero is sent as ones", () => {
  const guest = up();
  for (let word = 0; word < 0x10000; word += 1) {
    const bytes = ipv4Udp({ payload: 22 });
    bytes[42] = word >>> 8;
    bytes[43] = word;
    if (slowSum(bytes, 34, 30, slowSum(bytes, 26, 8) + 17 + 30) !== 0xffff) continue;
    guest.send({ bytes, opts2: TxV2.udpChecksum | TxV2.ipv4Checksum | (34 << 18) });
    assert.equal(get16(guest.cable.frames[0]!, 40), 0xffff);
    return;
  }
  assert.fail("no payload with that sum");
});

test("sends a frame as it is, and says so, when the headers do not allow the checksum", () => {
  const guest = up();
  const plain = frame(BROADCAST, 80);
  guest.send({ bytes: plain, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (34 << 18) });
  guest.send({ bytes: plain, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (1023 << 18) });
  assert.deepEqual(guest.cable.frames, [plain, plain]);
  assert.equal(guest.nic.offences.frame, 2);
});

for (const [name, build, kind, transport] of [
  ["IPv4", ipv4Tcp, TxV2.segment4, 34],
  ["IPv6", ipv6Tcp, TxV2.segment6, 54],
] as const) {
  test(`cuts an ${name} super-frame into segments that are right in every field`, () => {
    const guest = up();
    const payload = 10_000;
    const whole = build({ payload, flags: 0x99 });
    const opts1 = (kind | (transport << TxV2.segmentOffsetShift)) >>> 0;
    // Fragments that end in odd places, the first one inside the headers' neighbourhood.
    const cuts = [0, transport + 20, transport + 333, 5001, whole.length];
    guest.send(
      ...cuts
        .slice(1)
        .map((end, i) => ({ bytes: whole.slice(cuts[i], end), opts1, opts2: 1448 << TxV2.segmentSizeShift })),
    );
    const { frames } = guest.cable;
    assert.equal(frames.length, 7);
    const header = transport + 20;
    assert.deepEqual(Buffer.concat(frames.map((f) => f.slice(header))), Buffer.from(whole.slice(header)));
    for (const [i, segment] of frames.entries()) {
      assert.equal(verdict(segment), TCP_GOOD, `segment ${i}`);
      assert.equal(get32(segment, transport + 4), (get32(whole, transport + 4) + i * 1448) % 2 ** 32);
      // FIN, PSH only last, CWR only first, ACK always.
      assert.equal(segment[transport + 13], 0x10 | (i === 0 ? 0x80 : 0) | (i === 6 ? 0x09 : 0));
      if (name === "IPv4") assert.equal(get16(segment, 18), (get16(whole, 18) + i) & 0xffff);
      else assert.equal(get16(segment, 18), segment.length - 54);
    }
    assert.equal(guest.nic.counters.txFrames, 7);
  });
}

test("cuts super-frames of any size as the wire room's own segmentation does", () => {
  for (const payload of [1, 1447, 1448, 1449, 2896, 30_001]) {
    const guest = up();
    const whole = ipv4Tcp({ payload, flags: 0x19 });
    const port = {
      ...newMemory(65_536),
      frames: [] as Uint8Array[],
      reserve: () => 3,
      commit: (_length: number) => {},
    };
    port.commit = (length) =>
      port.frames.push(Uint8Array.of(...port.bytes.slice(3, 3 + length), ...new Uint8Array(Math.max(0, 60 - length))));
    segment(memoryOf(whole), 0, whole.length, 14, 34, 1448, port);
    guest.send({ bytes: whole, opts1: TxV2.segment4 | (34 << 18), opts2: 1448 << 18 });
    assert.deepEqual(guest.cable.frames, port.frames);
  }
});

test("cuts a super-frame of 64 KiB and tags every segment", () => {
  const guest = up();
  const whole = ipv4Tcp({ payload: 65_000 });
  const opts = { opts1: TxV2.segment4 | (34 << 18), opts2: (1000 << 18) | TxInsertTag | 0x0900 };
  guest.send({ bytes: whole.slice(0, 40_000), ...opts }, { bytes: whole.slice(40_000), ...opts });
  assert.equal(guest.cable.frames.length, 65);
  for (const segment of guest.cable.frames) {
    assert.equal(get32(segment, 12), 0x8100_0009);
    assert.equal(verdict(segment), TCP_GOOD);
  }
});

test("drops a super-frame without a segment size or without TCP headers, and goes on", () => {
  const guest = up();
  guest.put({ bytes: ipv4Tcp({ payload: 3000 }), opts1: TxV2.segment4 | (34 << 18) });
  guest.put({ bytes: frame(BROADCAST, 3000), opts1: TxV2.segment4 | (34 << 18), opts2: 1000 << 18 });
  guest.put({ bytes: ipv4Tcp({ payload: 3000 }), opts1: TxV2.segment6 | (34 << 18), opts2: 1000 << 18 });
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.equal(guest.cable.frames.length, 1);
  assert.equal(guest.nic.counters.txErrors, 3);
});

test("a tiny segment size does not let one doorbell run without end", () => {
  const guest = up();
  guest.send({ bytes: ipv4Tcp({ payload: 30_000 }), opts1: TxV2.segment4 | (34 << 18), opts2: 1 << 18 });
  assert.equal(guest.cable.frames.length, 4096);
  assert.ok(guest.descriptor(TX_RING, 0).opts1 & Own);
  guest.clock.delay(100);
  assert.equal(guest.cable.frames.length, 30_000);
  assert.equal(guest.descriptor(TX_RING, 0).opts1 & Own, 0);
  assert.ok(guest.cable.frames.every((f) => f.length === 60));
});

test("waits while the port takes nothing, and sends each segment once", () => {
  const guest = up();
  guest.cable.room = 3;
  guest.send({ bytes: ipv4Tcp({ payload: 5000 }), opts1: TxV2.segment4 | (34 << 18), opts2: 1000 << 18 });
  assert.equal(guest.cable.frames.length, 3);
  guest.cable.room = Infinity;
  guest.clock.delay(1000);
  assert.deepEqual(
    guest.cable.frames.map((f) => get32(f, 38) - get32(guest.cable.frames[0]!, 38)),
    [0, 1000, 2000, 3000, 4000],
  );
});

test("gives up a frame that the port never takes", () => {
  const guest = up();
  guest.cable.room = 0;
  guest.send({ bytes: frame(BROADCAST, 60) });
  guest.clock.delay(200_000);
  assert.equal(guest.nic.counters.txAborted, 1);
  assert.equal(guest.descriptor(TX_RING, 0).opts1 & Own, 0);
});

test("wraps at the descriptor marked end of ring", () => {
  const guest = up();
  for (let i = 0; i < 300; i++) guest.send({ bytes: frame(BROADCAST, 60 + i) });
  assert.deepEqual(
    guest.cable.frames.map((f) => f.length),
    Array.from({ length: 300 }, (_, i) => 60 + i),
  );
});

test("wraps after 1024 descriptors when none is marked", () => {
  const guest = up();
  for (let i = 0; i < 1024; i++)
    guest.setDescriptor(TX_RING, i, (Own | FirstSegment | LastSegment | 60) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 1024);
  guest.setDescriptor(TX_RING, 0, (Own | FirstSegment | LastSegment | 61) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.at(-1)!.length, 61);
});

test("a frame whose last descriptor is not there yet waits for the next doorbell", () => {
  const guest = up();
  guest.setDescriptor(TX_RING, 0, (Own | FirstSegment | 30) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 0);
  guest.setDescriptor(TX_RING, 1, (Own | LastSegment | EndOfRing | 40) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames[0]!.length, 70);
});

test("stops at a ring in which no frame ever ends", () => {
  const guest = up();
  for (let i = 0; i < 4; i++)
    guest.setDescriptor(
      TX_RING,
      i,
      (Own | (i === 0 ? FirstSegment : 0) | (i === 3 ? EndOfRing : 0) | 60) >>> 0,
      0,
      TX_DATA,
    );
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 0);
  assert.equal(guest.nic.offences.fragments, 1);
});

test("stops the queue when sent to memory it was not given, and a new base starts it again", () => {
  const guest = up();
  guest.setDescriptor(TX_RING, 0, (Own | FirstSegment | LastSegment | 100) >>> 0, 0, BASE + MEMORY_BYTES - 50);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 0);
  assert.ok(guest.r16(IntrStatus) & Intr.systemError);
  assert.equal(guest.nic.offences.outside, 1);
  guest.setDescriptor(TX_RING, 0, (Own | FirstSegment | LastSegment | 100) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 0);
  guest.w32(TNPDSHigh, 3);
  guest.w32(TNPDS, TX_RING % 2 ** 32);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 1);
});

test("a ring that runs off the end of memory is an offence, not a wrap", () => {
  const guest = up();
  const ring = BASE + MEMORY_BYTES - 256;
  guest.w32(TNPDSHigh, 3);
  guest.w32(TNPDS, ring % 2 ** 32);
  for (let i = 0; i < 16; i++) guest.setDescriptor(ring, i, (Own | FirstSegment | LastSegment | 60) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 16);
  assert.equal(guest.nic.offences.outside, 1);
});

test("the high-priority ring works, and goes first", () => {
  const guest = up();
  const ring = BASE + 0xc000;
  guest.w32(THPDSHigh, 3);
  guest.w32(THPDS, ring % 2 ** 32);
  guest.setDescriptor(ring, 0, (Own | FirstSegment | LastSegment | EndOfRing | 99) >>> 0, 0, TX_DATA);
  guest.put({ bytes: frame(BROADCAST, 77) });
  guest.w8(TxPoll, Poll.normalPriority | Poll.highPriority);
  assert.deepEqual(
    guest.cable.frames.map((f) => f.length),
    [99, 77],
  );
});

test("without a link frames are lost but their descriptors come back", () => {
  const guest = up();
  guest.nic.setCarrier(false);
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.equal(guest.cable.frames.length, 0);
  assert.equal(guest.descriptor(TX_RING, 0).opts1 & Own, 0);
});

test("in loopback what is sent comes back and does not leave", () => {
  const guest = up();
  guest.post(2);
  guest.w32(TxConfig, TxConf.loopback);
  guest.send({ bytes: frame(MAC, 70) });
  assert.equal(guest.cable.frames.length, 0);
  assert.deepEqual(guest.received(0).bytes, frame(MAC, 70));
});

test("is not confused by a guest that rings the doorbell from within an answer", () => {
  const guest = up();
  const commit = guest.cable.commit.bind(guest.cable);
  let echoes = 3;
  guest.cable.commit = (length: number) => {
    commit(length);
    if (echoes-- > 0) guest.send({ bytes: frame(BROADCAST, 60) });
  };
  guest.send({ bytes: frame(BROADCAST, 60) });
  guest.clock.delay(100);
  assert.equal(guest.cable.frames.length, 4);
});

test("survives a guest that resets it from within an answer, and starts over afterwards", () => {
  const guest = up();
  const commit = guest.cable.commit.bind(guest.cable);
  guest.cable.commit = (length: number) => {
    commit(length);
    guest.w8(ChipCmd, Cmd.reset);
  };
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.equal(guest.cable.frames.length, 1);
  assert.ok(guest.descriptor(TX_RING, 0).opts1 & Own);
  guest.cable.commit = commit;
  guest.w32(TNPDSHigh, 3);
  guest.w32(TNPDS, TX_RING % 2 ** 32);
  guest.w8(ChipCmd, Cmd.transmitEnable);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 2);
});

test("forgets the ring at a reset", () => {
  const guest = up();
  guest.w8(ChipCmd, Cmd.reset);
  guest.w8(ChipCmd, Cmd.transmitEnable);
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.equal(guest.cable.frames.length, 0);
  assert.equal(guest.nic.offences.outside, 1);
});

test("stops when the transmitter is switched off while a frame waits", () => {
  const guest = up();
  guest.cable.room = 0;
  guest.send({ bytes: frame(BROADCAST, 60) });
  guest.w8(ChipCmd, Cmd.receiveEnable);
  guest.cable.room = Infinity;
  guest.clock.delay(10_000);
  assert.equal(guest.cable.frames.length, 0);
  assert.ok(guest.descriptor(RX_RING, 0).opts1 === 0);
});
