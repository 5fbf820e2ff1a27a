/** Reception: filter, gate, tags, checksum results, frames in several buffers, and errors of drivers. */
import assert from "node:assert/strict";
import { chipNamed } from "#chip/chips.ts";
import { test } from "node:test";
import { EndOfRing, FirstSegment, LastSegment, Own, Rx, RxTagTaken } from "#chip/descriptors.ts";
import {
  CPlus,
  CPlusCmd,
  ChipCmd,
  Cmd,
  Intr,
  IntrStatus,
  MAR0,
  MAR4,
  MISC,
  Misc,
  RxConf,
  RxConfig,
  RxMaxSize,
} from "#chip/registers.ts";
import {
  BASE,
  BROADCAST,
  frame,
  Guest,
  MAC,
  MEMORY_BYTES,
  RX_BUFFERS,
  RX_RING,
  tagOfDescriptor,
} from "../guest.test-kit.ts";
import { ipv4Tcp, ipv4Udp, ipv6Tcp, sealed } from "./packets.test-kit.ts";

const up = (accept?: number): Guest => {
  const guest = new Guest();
  guest.bringUp(accept);
  guest.post(8);
  return guest;
};
const give = (guest: Guest, bytes: Uint8Array): boolean => guest.nic.receive(bytes, 0, bytes.length);
const OTHER = Uint8Array.of(0x02, 9, 9, 9, 9, 9);
/** The multicast address of 224.0.0.1. Its hash selects bit 31, as FreeBSD and Linux compute the hash. */
const ALL_SYSTEMS = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x01);

const swap = (word: number): number =>
  (((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
const broken = (bytes: Uint8Array, at: number): Uint8Array => {
  bytes[at]! ^= 0x10;
  return bytes;
};

test("by default the chip accepts only its own address and broadcasts", () => {
  const guest = up();
  assert.equal(give(guest, frame(MAC, 64)), true);
  assert.equal(give(guest, frame(BROADCAST, 64)), true);
  assert.equal(give(guest, frame(OTHER, 64)), false);
  assert.equal(give(guest, frame(ALL_SYSTEMS, 64)), false);
  assert.ok(guest.received(0).opts1 & Rx.physical);
  assert.ok(guest.received(1).opts1 & Rx.broadcast);
  const { rxUnicast, rxBroadcast, rxMulticast, rxFrames } = guest.nic.counters;
  assert.deepEqual([rxUnicast, rxBroadcast, rxMulticast, rxFrames], [1, 1, 0, 2]);
});

test("the chip accepts frames to other stations in promiscuous mode", () => {
  const guest = up(RxConf.acceptAll);
  assert.equal(give(guest, frame(OTHER, 64)), true);
  assert.equal(guest.received(0).opts1 & Rx.physical, 0);
});

test("the chip accepts multicast frames whose hash bit is set; the hash's words are exchanged and byte-swapped", () => {
  const guest = up(RxConf.acceptMulticast);
  // The hash, computed without the model's code: the top six bits of the bit-reversed register of the CRC-32 of
  // 01:00:5e:00:00:01.
  let crc = -1;
  for (const byte of ALL_SYSTEMS) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  }
  let bit = 0;
  for (let i = 0; i < 6; i++) bit = (bit << 1) | ((crc >>> i) & 1);
  const mask = [0, 0];
  mask[bit >> 5] = (1 << (bit & 31)) >>> 0;
  assert.equal(give(guest, frame(ALL_SYSTEMS, 64)), false);
  guest.w32(MAR4, swap(mask[0]!));
  guest.w32(MAR0, swap(mask[1]!));
  assert.equal(give(guest, frame(ALL_SYSTEMS, 64)), true);
  guest.w32(MAR4, ~swap(mask[0]!));
  guest.w32(MAR0, ~swap(mask[1]!));
  assert.equal(give(guest, frame(ALL_SYSTEMS, 64)), false);
  assert.ok(guest.received(0).opts1 & Rx.multicast);
});

test("the chip drops frames while the gate is closed, while disabled, and without a link", () => {
  const guest = up();
  guest.w32(MISC, Misc.receiveGate);
  assert.equal(give(guest, frame(MAC, 64)), false);
  guest.w32(MISC, 0);
  guest.w8(ChipCmd, Cmd.transmitEnable);
  assert.equal(give(guest, frame(MAC, 64)), false);
  guest.w8(ChipCmd, Cmd.receiveEnable);
  guest.nic.setCarrier(false);
  assert.equal(give(guest, frame(MAC, 64)), false);
  guest.nic.setCarrier(true);
  guest.clock.delay(10_000);
  assert.equal(give(guest, frame(MAC, 64)), true);
});

test("the chip drops and counts a frame that, with its FCS, is longer than RxMaxSize", () => {
  const guest = up();
  guest.w16(RxMaxSize, 1518);
  assert.equal(give(guest, frame(MAC, 1514)), true);
  assert.equal(give(guest, frame(MAC, 1515)), false);
  assert.equal(guest.nic.counters.rxErrors, 1);
  guest.w16(RxMaxSize, 0);
  assert.equal(give(guest, frame(MAC, 60)), false);
});

test("the chip pads frames that the sender's software did not pad", () => {
  const guest = up();
  guest.memory.one.bytes.fill(0xa5, RX_BUFFERS - BASE, RX_BUFFERS - BASE + 100);
  assert.equal(give(guest, frame(MAC, 42)), true);
  const { bytes, opts1 } = guest.received(0);
  assert.equal(opts1 & Rx.length, 64);
  assert.deepEqual(bytes.slice(0, 42), frame(MAC, 42));
  assert.ok(bytes.slice(42).every((byte) => byte === 0));
});

test("the chip counts a frame as missed when no descriptor is free, and raises RDU (descriptor unavailable)", () => {
  const guest = up();
  guest.post(1);
  assert.equal(guest.nic.hasRoom(), true);
  assert.equal(give(guest, frame(MAC, 64)), true);
  assert.equal(guest.nic.hasRoom(), false);
  assert.equal(give(guest, frame(MAC, 64)), false);
  assert.equal(guest.nic.counters.rxMissed, 1);
  assert.ok(guest.r16(IntrStatus) & Intr.receiveUnavailable);
});

test("the chip wraps at the end of the ring and preserves the end-of-ring bit", () => {
  const guest = up();
  for (let i = 0; i < 20; i++) {
    guest.post(4);
    assert.equal(give(guest, frame(MAC, 64 + i)), true);
    assert.equal(guest.received(i % 4).bytes.length, 64 + i);
  }
  assert.equal(guest.descriptor(RX_RING, 3).opts1 & EndOfRing, EndOfRing);
});

test("the chip strips a VLAN tag and reports it with its bytes swapped; padding stays at the end of the frame", () => {
  const guest = up();
  guest.w16(CPlusCmd, CPlus.receiveVlan | CPlus.receiveChecksum);
  const plain = frame(MAC, 100);
  const tagged = Uint8Array.of(...plain.slice(0, 12), 0x81, 0, 0x50, 0x23, ...plain.slice(12));
  assert.equal(give(guest, tagged), true);
  const got = guest.received(0);
  assert.deepEqual(got.bytes, plain);
  assert.ok(got.opts2 & RxTagTaken);
  assert.equal(got.opts2 & 0xffff, 0x2350);
  assert.equal(tagOfDescriptor(got.opts2), 0x5023);
  assert.equal(give(guest, tagged.slice(0, 46)), true);
  assert.deepEqual([...guest.received(1).bytes], [...plain.slice(0, 42), ...new Uint8Array(14)]);
});

test("the chip leaves a tag in the frame when stripping is off", () => {
  const guest = up();
  const tagged = Uint8Array.of(...frame(MAC, 12), 0x81, 0, 0, 9, ...frame(MAC, 80).slice(12));
  give(guest, tagged);
  assert.deepEqual(guest.received(0).bytes, tagged);
  assert.equal(guest.received(0).opts2, 0);
});

test("the chip reports which checksums it verified and which were wrong", () => {
  const guest = up();
  guest.w16(CPlusCmd, CPlus.receiveChecksum | CPlus.receiveVlan);
  const noChecksum = sealed(ipv4Udp({ payload: 64 }));
  noChecksum[40] = 0;
  noChecksum[41] = 0;
  const tcp4 = sealed(ipv4Tcp({ payload: 501 }));
  const tagged = Uint8Array.of(...tcp4.slice(0, 12), 0x81, 0, 0, 9, ...tcp4.slice(12));
  const cases: [Uint8Array, number][] = [
    [tcp4, Rx.protocolTcp],
    [tagged, Rx.protocolTcp],
    [broken(sealed(ipv4Tcp({ payload: 501 })), 400), Rx.protocolTcp | Rx.tcpChecksumFailed],
    [broken(sealed(ipv4Tcp({ payload: 501 })), 22), Rx.protocolTcp | Rx.ipChecksumFailed],
    [sealed(ipv4Udp({ payload: 64 })), Rx.protocolUdp],
    [noChecksum, Rx.protocolUdp],
    [broken(sealed(ipv4Udp({ payload: 64 })), 60), Rx.protocolUdp | Rx.udpChecksumFailed],
    [sealed(ipv6Tcp({ payload: 99 })), Rx.protocolTcp],
    [broken(sealed(ipv6Tcp({ payload: 99 })), 100), Rx.protocolTcp | Rx.tcpChecksumFailed],
    [frame(MAC, 100), 0],
  ];
  const all = Rx.protocol | Rx.ipChecksumFailed | Rx.udpChecksumFailed | Rx.tcpChecksumFailed;
  for (const [bytes, expected] of cases) {
    guest.post(8);
    guest.w8(ChipCmd, 0);
    guest.w8(ChipCmd, Cmd.receiveEnable);
    assert.equal(give(guest, bytes), true);
    assert.equal(guest.received(0).opts1 & all, expected);
  }
});

test("an IP packet that is neither TCP nor UDP is reported as IP only, and so is a fragment", () => {
  const guest = up();
  guest.w16(CPlusCmd, CPlus.receiveChecksum);
  const icmp = ipv4Tcp({ payload: 40 });
  icmp[23] = 1;
  const fragment = ipv4Tcp({ payload: 40 });
  fragment[20] = 0x20;
  for (const bytes of [icmp, fragment]) give(guest, bytes);
  // The header checksums of these frames were not filled in, so they are wrong.
  for (const i of [0, 1]) assert.equal(guest.received(i).opts1 & 0x7c000, Rx.protocol | Rx.ipChecksumFailed);
});

test("padding after the IP packet does not affect the result of the checksum verification", () => {
  const guest = up();
  guest.w16(CPlusCmd, CPlus.receiveChecksum);
  const short = sealed(ipv4Tcp({ payload: 1 }));
  const padded = new Uint8Array(60).fill(0xee);
  padded.set(short);
  give(guest, padded);
  assert.equal(guest.received(0).opts1 & 0x7c000, Rx.protocolTcp);
});

test("the chip divides a frame over several buffers of any size, and verifies the checksums of such a frame", () => {
  const guest = up();
  guest.w16(CPlusCmd, CPlus.receiveChecksum);
  const sizes = [100, 33, 513, 2000, 2000];
  sizes.forEach((bytes, i) =>
    guest.setDescriptor(RX_RING, i, (Own | bytes | (i === 4 ? EndOfRing : 0)) >>> 0, 0, RX_BUFFERS + i * 2048 + i),
  );
  const big = sealed(ipv4Tcp({ payload: 1500 }));
  assert.equal(give(guest, big), true);
  const gathered: number[] = [];
  const bits = [0, 1, 2, 3].map((i) => {
    const at = RX_BUFFERS + i * 2048 + i - BASE;
    const left = Math.min(sizes[i]!, big.length - gathered.length);
    gathered.push(...guest.memory.one.bytes.slice(at, at + left));
    return guest.descriptor(RX_RING, i).opts1 & (FirstSegment | LastSegment);
  });
  assert.deepEqual(Uint8Array.from(gathered), big);
  assert.deepEqual(bits, [FirstSegment, 0, 0, LastSegment]);
  // From the 8168G on, the last descriptor has the length of the part in its own buffer.
  assert.equal(guest.descriptor(RX_RING, 3).opts1 & Rx.length, big.length + 4 - 100 - 33 - 513);
  assert.equal(guest.descriptor(RX_RING, 3).opts1 & 0x7c000, Rx.protocolTcp);
  assert.ok(guest.descriptor(RX_RING, 4).opts1 & Own);
});

test("the last descriptor has the length of the frame or of its part in the last buffer, depending on the chip", () => {
  for (const [chip, verdict] of [
    ["rtl8169sc-180", 304],
    ["rtl8168b", 304],
    ["rtl8168h", 48],
    ["rtl8125b", 48],
  ] as const) {
    const guest = new Guest({ chip: chipNamed(chip)! });
    guest.bringUp();
    guest.post(4, 128);
    assert.equal(give(guest, frame(MAC, 300)), true);
    const lengths = [0, 1, 2].map((i) => guest.descriptor(RX_RING, i).opts1 & Rx.length);
    assert.deepEqual(lengths, [128, 128, verdict], chip);
  }
});

test("the chip does not write a frame that the posted buffers cannot hold", () => {
  const guest = up();
  guest.post(2, 128);
  guest.setDescriptor(RX_RING, 2, 0, 0, 0);
  assert.equal(give(guest, frame(MAC, 300)), false);
  assert.ok(guest.descriptor(RX_RING, 0).opts1 & Own);
  assert.equal(give(guest, frame(MAC, 200)), true);
});

test("the chip never writes outside memory of the bus", () => {
  const guest = up();
  guest.setDescriptor(RX_RING, 0, (Own | 2048) >>> 0, 0, BASE + MEMORY_BYTES - 1000);
  assert.equal(give(guest, frame(MAC, 64)), false);
  assert.equal(guest.nic.offences.outside, 1);
  assert.ok(guest.r16(IntrStatus) & Intr.systemError);
});

test("the chip locates its ring again when the memory of the bus changes", () => {
  const guest = up();
  assert.equal(give(guest, frame(MAC, 64)), true);
  let withheld = true;
  const { one } = guest.memory;
  guest.nic.attach({ region: () => (withheld ? undefined : one) }, () => {});
  assert.equal(guest.nic.hasRoom(), false);
  assert.equal(guest.nic.offences.outside, 1);
  withheld = false;
  guest.bringUp();
  assert.equal(guest.nic.hasRoom(), false);
  guest.post(8);
  assert.equal(give(guest, frame(MAC, 64)), true);
});

test("the chip stops when bus mastering is disabled, which is no offence, and continues from the same descriptor", () => {
  const guest = up();
  guest.nic.write("config", 4, 2, 2);
  assert.equal(guest.nic.hasRoom(), false);
  assert.equal(give(guest, frame(MAC, 64)), false);
  assert.equal(guest.nic.offences.busMaster, 0);
  guest.nic.write("config", 4, 2, 6);
  assert.equal(give(guest, frame(MAC, 64)), true);
  assert.ok(guest.received(0).opts1 & LastSegment);
});

test("the chip accepts frames from unaligned memory", () => {
  const guest = up();
  const received = frame(MAC, 90);
  const memory = new Uint8Array(new ArrayBuffer(400), 3, 300);
  memory.set(received, 5);
  assert.equal(guest.nic.receive(memory, 5, 90), true);
  assert.deepEqual(guest.received(0).bytes, received);
});

test("the chip drops frames shorter than an Ethernet header", () => {
  const guest = up();
  assert.equal(guest.nic.receive(frame(MAC, 60), 0, 13), false);
  assert.equal(guest.nic.counters.rxFrames, 0);
});

test("a changed filter applies to the next frame", () => {
  const guest = up();
  guest.w32(RxConfig, 0);
  assert.equal(give(guest, frame(MAC, 64)), false);
  guest.w32(RxConfig, RxConf.acceptPhysical);
  assert.equal(give(guest, frame(MAC, 64)), true);
});
