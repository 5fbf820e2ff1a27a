/** Transmission: gathering, padding, tags, checksums, and errors of drivers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { EndOfRing, FirstSegment, LastSegment, Own, TxInsertTag, TxV2 } from "#chip/descriptors.ts";
import {
  ChipCmd,
  Cmd,
  Intr,
  IntrStatus,
  Poll,
  RxConf,
  RxConfig,
  THPDS,
  THPDSHigh,
  TNPDS,
  TNPDSHigh,
  TxConf,
  TxConfig,
  TxPoll,
} from "#chip/registers.ts";
import { get16, get32 } from "#wire/bigendian.ts";
import { memoryOf } from "#wire/memory.ts";
import { slowSum } from "#wire/reference.test-kit.ts";
import { Verified, verify } from "#wire/verify.ts";
import { BASE, BROADCAST, frame, Guest, MAC, MEMORY_BYTES, RX_RING, TX_DATA, TX_RING } from "../guest.test-kit.ts";
import { ipv4Tcp, ipv4Udp, ipv6Tcp } from "./packets.test-kit.ts";

const up = (): Guest => {
  const guest = new Guest();
  guest.bringUp();
  return guest;
};
const verdict = (bytes: Uint8Array): number => verify(memoryOf(bytes.slice()), 0, bytes.length);
const TCP_GOOD = Verified.ip | Verified.tcp | Verified.ipGood | Verified.transportGood;
const UDP_GOOD = Verified.ip | Verified.udp | Verified.ipGood | Verified.transportGood;

test("the chip gathers a frame from fragments of odd lengths at odd addresses", () => {
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

test("the chip pads a short frame with zeros to 60 bytes", () => {
  const guest = up();
  guest.cable.bytes.fill(0xa5);
  guest.send({ bytes: frame(BROADCAST, 42) });
  const [sent] = guest.cable.frames;
  assert.equal(sent!.length, 60);
  assert.deepEqual(sent!.slice(0, 42), frame(BROADCAST, 42));
  assert.ok(sent!.slice(42).every((byte) => byte === 0));
});

test("the chip sends frames of the largest MTU and no longer ones", () => {
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

test("the chip inserts a VLAN tag between addresses and type", () => {
  const guest = up();
  const plain = frame(BROADCAST, 100);
  guest.send({ bytes: plain, opts2: TxInsertTag | 0x2350 });
  const [sent] = guest.cable.frames;
  assert.equal(sent!.length, 104);
  assert.equal(get32(sent!, 12), 0x8100_5023);
  assert.deepEqual(sent!.slice(16), plain.slice(12));
  assert.deepEqual(sent!.slice(0, 12), plain.slice(0, 12));
});

test("the chip fills in IPv4, TCP and UDP checksums whatever the fields contained", () => {
  const guest = up();
  const tcp = ipv4Tcp({ payload: 333 });
  tcp[14 + 20 + 16] = 0xde;
  tcp[14 + 10] = 0xad;
  guest.send({ bytes: tcp, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (34 << TxV2.checksumOffsetShift) });
  guest.send({ bytes: ipv4Udp({ payload: 40 }), opts2: TxV2.ipv4Checksum | TxV2.udpChecksum | (34 << 18) });
  guest.send({ bytes: ipv6Tcp({ payload: 100 }), opts2: TxV2.ipv6Checksum | TxV2.tcpChecksum | (54 << 18) });
  assert.deepEqual(guest.cable.frames.map(verdict), [TCP_GOOD, UDP_GOOD, TCP_GOOD | Verified.ipv6]);
  const [sent] = guest.cable.frames;
  assert.equal(slowSum(sent!, 14, 20), 0xffff);
  assert.equal(slowSum(sent!, 34, 353, slowSum(sent!, 26, 8) + 6 + 353), 0xffff);
});

test("the chip fills in checksums after a tag, whether the tag is in the frame or is inserted", () => {
  const guest = up();
  const plain = ipv4Tcp({ payload: 90 });
  const tagged = Uint8Array.of(...plain.slice(0, 12), 0x81, 0, 0, 7, ...plain.slice(12));
  guest.send({ bytes: tagged, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (38 << 18) });
  // Bits 27:18 are the transport offset, bit 17 requests the tag.
  guest.send({ bytes: plain, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (34 << 18) | TxInsertTag | 0x0700 });
  assert.deepEqual(guest.cable.frames.map(verdict), [TCP_GOOD, TCP_GOOD]);
  assert.deepEqual(guest.cable.frames[0], guest.cable.frames[1]);
});

test("a UDP checksum of zero is sent as all ones", () => {
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
  assert.fail("no payload with that sum was found");
});

test("the chip sends a frame unchanged, with an offence, when its headers do not allow the checksum", () => {
  const guest = up();
  const plain = frame(BROADCAST, 80);
  guest.send({ bytes: plain, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (34 << 18) });
  guest.send({ bytes: plain, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (1023 << 18) });
  assert.deepEqual(guest.cable.frames, [plain, plain]);
  assert.equal(guest.nic.offences.frame, 2);
});

test("the chip drops a frame that the port never accepts", () => {
  const guest = up();
  guest.cable.room = 0;
  guest.send({ bytes: frame(BROADCAST, 60) });
  guest.clock.delay(200_000);
  assert.equal(guest.nic.counters.txAborted, 1);
  assert.equal(guest.descriptor(TX_RING, 0).opts1 & Own, 0);
});

test("the chip wraps at the descriptor marked end of ring", () => {
  const guest = up();
  for (let i = 0; i < 300; i++) guest.send({ bytes: frame(BROADCAST, 60 + i) });
  assert.deepEqual(
    guest.cable.frames.map((f) => f.length),
    Array.from({ length: 300 }, (_, i) => 60 + i),
  );
});

test("a chip before the 8168G wraps after 1024 descriptors if none is marked end of ring", () => {
  const guest = new Guest({ chip: chipNamed("rtl8168f-480")! });
  guest.bringUp();
  for (let i = 0; i < 1024; i++)
    guest.setDescriptor(TX_RING, i, (Own | FirstSegment | LastSegment | 60) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 1024);
  guest.setDescriptor(TX_RING, 0, (Own | FirstSegment | LastSegment | 61) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.at(-1)!.length, 61);
});

test("a doorbell without work is an offence only before the first frame; later, the chip may already have sent the doorbell's frames", () => {
  const guest = up();
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.nic.offences.idle, 1);
  guest.send({ bytes: frame(BROADCAST, 60) });
  for (let late = 0; late < 100; late++) guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.nic.offences.idle, 1);
  assert.equal(guest.cable.frames.length, 1);
});

test("StopReq stops both directions while both are enabled", () => {
  const guest = up();
  guest.post(2);
  assert.ok(guest.nic.receive(frame(BROADCAST, 60), 0, 60));
  guest.w8(ChipCmd, Cmd.stopRequest | Cmd.transmitEnable | Cmd.receiveEnable);
  assert.ok(!guest.nic.receive(frame(BROADCAST, 60), 0, 60));
  assert.ok(guest.descriptor(RX_RING, 1).opts1 >= 2 ** 31);
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.equal(guest.cable.frames.length, 0);
});

test("a frame whose last descriptor is missing waits for the next doorbell", () => {
  const guest = up();
  guest.setDescriptor(TX_RING, 0, (Own | FirstSegment | 30) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 0);
  guest.setDescriptor(TX_RING, 1, (Own | LastSegment | EndOfRing | 40) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames[0]!.length, 70);
});

test("the chip stops at a ring without a last descriptor", () => {
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

test("a descriptor address outside guest memory stops the queue, and a new base restarts it", () => {
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

test("a ring that extends beyond the end of memory is an offence and does not wrap", () => {
  const guest = up();
  const ring = BASE + MEMORY_BYTES - 256;
  guest.w32(TNPDSHigh, 3);
  guest.w32(TNPDS, ring % 2 ** 32);
  for (let i = 0; i < 16; i++) guest.setDescriptor(ring, i, (Own | FirstSegment | LastSegment | 60) >>> 0, 0, TX_DATA);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.cable.frames.length, 16);
  assert.equal(guest.nic.offences.outside, 1);
});

test("the high-priority ring is served before the normal ring", () => {
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

test("without a link frames are lost, but their descriptors are returned", () => {
  const guest = up();
  guest.nic.setCarrier(false);
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.equal(guest.cable.frames.length, 0);
  assert.equal(guest.descriptor(TX_RING, 0).opts1 & Own, 0);
});

test("either loopback bit enables loopback, and a software reset preserves both and the ring bases", () => {
  for (const bits of [1 << 17, 1 << 18]) {
    const guest = up();
    guest.post(2);
    guest.w32(TxConfig, bits);
    guest.w8(ChipCmd, Cmd.reset);
    guest.w8(ChipCmd, Cmd.transmitEnable | Cmd.receiveEnable);
    guest.w32(RxConfig, RxConf.acceptPhysical);
    guest.send({ bytes: frame(MAC, 70) });
    assert.equal(guest.cable.frames.length, 0);
    assert.deepEqual(guest.received(0).bytes, frame(MAC, 70));
  }
});

test("in loopback frames are received and not sent", () => {
  const guest = up();
  guest.post(2);
  guest.w32(TxConfig, TxConf.loopback);
  guest.send({ bytes: frame(MAC, 70) });
  assert.equal(guest.cable.frames.length, 0);
  assert.deepEqual(guest.received(0).bytes, frame(MAC, 70));
});

test("the chip also sends the frames for which the guest rings the doorbell while the port takes another frame", () => {
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

test("after a software reset while the port takes a frame, the transmitter can be started again", () => {
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

test("after a reset the transmitter is at the start of the ring", () => {
  const guest = up();
  guest.send({ bytes: frame(BROADCAST, 60) });
  guest.w8(ChipCmd, Cmd.reset);
  guest.w8(ChipCmd, Cmd.transmitEnable);
  // This frame is in the second descriptor. The chip is at the first, which it does not own, so it sends nothing.
  guest.send({ bytes: frame(BROADCAST, 61) });
  assert.equal(guest.cable.frames.length, 1);
  const again = up();
  again.w8(ChipCmd, Cmd.reset);
  again.w8(ChipCmd, Cmd.transmitEnable);
  again.send({ bytes: frame(BROADCAST, 60) });
  assert.equal(again.cable.frames.length, 1);
});

test("a doorbell before the ring's base was written is reported as an access outside guest memory", () => {
  const guest = new Guest();
  guest.busMaster();
  guest.w8(ChipCmd, Cmd.transmitEnable);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.nic.offences.outside, 1);
});

test("the transmitter stops when it is disabled while a frame waits", () => {
  const guest = up();
  guest.cable.room = 0;
  guest.send({ bytes: frame(BROADCAST, 60) });
  guest.w8(ChipCmd, Cmd.receiveEnable);
  guest.cable.room = Infinity;
  guest.clock.delay(10_000);
  assert.equal(guest.cable.frames.length, 0);
  assert.ok(guest.descriptor(RX_RING, 0).opts1 === 0);
});
