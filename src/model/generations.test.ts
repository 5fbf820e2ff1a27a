/** Differences between chips in the frame engines: descriptor formats, lengths, padding, known errata. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { Own, Rx, RxTagTaken, RxV2, TxInsertTag, TxV1, TxV2 } from "#chip/descriptors.ts";
import {
  Cfg9346,
  Config3,
  Config4,
  CPlus,
  CPlusCmd,
  IntrStatus,
  Intr,
  Lock,
  MissedPackets,
  RDSAR,
  RDSARHigh,
  RxConf,
  RxConfig,
} from "#chip/registers.ts";
import { RxConf8125 } from "#chip/registers-8125.ts";
import { get16 } from "#wire/bigendian.ts";
import { crc32 } from "#wire/crc32.ts";
import { memoryOf } from "#wire/memory.ts";
import { Verified, verify } from "#wire/verify.ts";
import { BASE, BROADCAST, frame, Guest, MAC, RX_BUFFERS, RX_RING, TX_RING } from "./guest.test-kit.ts";
import { ipv4Tcp, ipv4Udp, ipv6Tcp, sealed, segmentsOf } from "./frames/packets.test-kit.ts";

const FIRST_FORMAT = ["rtl8169s", "rtl8169sc-980", "rtl8168b", "rtl8101e"];
const SECOND_FORMAT = [
  "rtl8401",
  "rtl8102e-24x",
  "rtl8168c-3c0",
  "rtl8168evl",
  "rtl8168h",
  "rtl8125a",
  "rtl8125b",
  "rtl8126a-64a",
];
const MULTIGIGABIT = ["rtl8125a", "rtl8125b", "rtl8125bp", "rtl8126a-649", "rtl8127a"];

const up = (key: string, accept?: number): Guest => {
  const guest = new Guest({ chip: chipNamed(key)! });
  guest.bringUp(accept);
  guest.post(8);
  return guest;
};
const give = (guest: Guest, bytes: Uint8Array): boolean => guest.nic.receive(bytes, 0, bytes.length);
const verdict = (bytes: Uint8Array): number => verify(memoryOf(bytes.slice()), 0, bytes.length);
const tagged = (bytes: Uint8Array, control = 0x5023): Uint8Array =>
  Uint8Array.of(...bytes.slice(0, 12), 0x81, 0, control >> 8, control & 0xff, ...bytes.slice(12));
const TCP_GOOD = Verified.ip | Verified.tcp | Verified.ipGood | Verified.transportGood;
const UDP_GOOD = Verified.ip | Verified.udp | Verified.ipGood | Verified.transportGood;
const SIZE = TxV1.segmentSizeShift;

for (const key of FIRST_FORMAT) {
  test(`${key} finds IPv4 headers itself, also after tags, and computes the checksums requested in opts1`, () => {
    const guest = up(key);
    const tcp = ipv4Tcp({ payload: 333 });
    guest.send({ bytes: tcp, opts1: TxV1.ipChecksum | TxV1.tcpChecksum });
    guest.send({ bytes: ipv4Udp({ payload: 64 }), opts1: TxV1.ipChecksum | TxV1.udpChecksum });
    guest.send({ bytes: tagged(tcp), opts1: TxV1.ipChecksum | TxV1.tcpChecksum });
    guest.send({ bytes: tcp, opts1: TxV1.ipChecksum | TxV1.tcpChecksum, opts2: TxInsertTag | 0x2350 });
    assert.deepEqual(guest.cable.frames.map(verdict), [TCP_GOOD, UDP_GOOD, TCP_GOOD, TCP_GOOD]);
    assert.deepEqual(guest.cable.frames[2], guest.cable.frames[3]);
    assert.equal(guest.nic.offences.frame, 0);
  });

  test(`${key} computes no TCP checksum without the IP bit, and reports an offence`, () => {
    const guest = up(key);
    const tcp = ipv4Tcp({ payload: 64 });
    guest.send({ bytes: tcp, opts1: TxV1.tcpChecksum });
    assert.deepEqual(guest.cable.frames[0], tcp);
    assert.equal(guest.nic.offences.frame, 1);
  });

  test(`${key} segments as requested in opts1, but only over IPv4`, () => {
    const guest = up(key);
    const whole = ipv4Tcp({ payload: 5000, flags: 0x19 });
    guest.send({ bytes: whole, opts1: TxV1.segment | (1000 << SIZE) });
    assert.deepEqual(guest.cable.frames, segmentsOf(whole, 34, 1000));
    guest.send({ bytes: ipv6Tcp({ payload: 5000 }), opts1: TxV1.segment | (1000 << SIZE) });
    assert.equal(guest.cable.frames.length, 5);
    assert.equal(guest.nic.offences.frame, 1);
  });

  test(`${key} does not verify IPv6, and reports nothing in opts2`, () => {
    const guest = up(key);
    guest.w16(CPlusCmd, CPlus.receiveChecksum);
    assert.ok(give(guest, sealed(ipv6Tcp({ payload: 99 }))));
    assert.ok(give(guest, sealed(ipv4Tcp({ payload: 99 }))));
    assert.equal(guest.received(0).opts1 & Rx.protocol, 0);
    assert.equal(guest.received(1).opts1 & Rx.protocol, Rx.protocolTcp);
    assert.deepEqual([guest.received(0).opts2, guest.received(1).opts2], [0, 0]);
  });
}

for (const key of SECOND_FORMAT) {
  test(`${key} ignores the offset for IPv4 headers, and uses it for IPv6`, () => {
    const guest = up(key);
    const tcp = ipv4Tcp({ payload: 333 });
    guest.send({ bytes: tcp, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum });
    guest.send({ bytes: tcp, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum | (34 << 18) });
    guest.send({ bytes: ipv6Tcp({ payload: 99 }), opts2: TxV2.ipv6Checksum | TxV2.tcpChecksum | (54 << 18) });
    guest.send({ bytes: tcp, opts2: TxV2.tcpChecksum | (34 << 18) });
    const [a, b, c, d] = guest.cable.frames;
    assert.deepEqual([verdict(a!), verdict(c!)], [TCP_GOOD, TCP_GOOD | Verified.ipv6]);
    assert.deepEqual(b, a);
    assert.deepEqual(d, tcp);
  });

  test(`${key} distinguishes IPv4 and IPv6 in opts2`, () => {
    const guest = up(key);
    guest.w16(CPlusCmd, CPlus.receiveChecksum);
    for (const bytes of [sealed(ipv6Tcp({ payload: 99 })), sealed(ipv4Udp({ payload: 99 })), frame(MAC, 80)])
      give(guest, bytes);
    assert.deepEqual(
      [0, 1, 2].map((i) => guest.received(i).opts2),
      [RxV2.ipv6 >>> 0, RxV2.ipv4, 0],
    );
    assert.equal(guest.received(0).opts1 & Rx.protocol, Rx.protocolTcp);
  });
}

test("segmentation with the first format's bit works in the second, for IPv4, as FreeBSD's driver requests it", () => {
  const guest = up("rtl8168h");
  const whole = ipv4Tcp({ payload: 5000, flags: 0x19 });
  guest.send({ bytes: whole, opts1: TxV1.segment, opts2: 1000 << TxV2.segmentSizeShift });
  assert.deepEqual(guest.cable.frames, segmentsOf(whole, 34, 1000));
});

for (const [key, config3, config4] of [
  ["rtl8168b", 0, 1],
  ["rtl8168c-3c0", 4, 2],
  ["rtl8168d-281", 4, 2],
  ["rtl8168dp-28a", 4, 0],
  ["rtl8168dp-28b", 4, 1],
  ["rtl8168e-2c1", 4, 1],
] as const) {
  test(`${key} neither sends nor accepts jumbo frames before they are enabled, and does both afterwards`, () => {
    const guest = up(key);
    const jumbo = frame(MAC, 2000);
    assert.equal(give(guest, jumbo), false);
    guest.send({ bytes: jumbo });
    assert.deepEqual([guest.cable.frames.length, guest.nic.counters.rxErrors, guest.nic.counters.txErrors], [0, 1, 1]);
    guest.w8(Cfg9346, Lock.unlock);
    guest.w8(Config3, config3);
    guest.w8(Config4, config4);
    assert.equal(give(guest, frame(MAC, 2000)), true);
    guest.send({ bytes: jumbo });
    assert.deepEqual(guest.cable.frames, [jumbo]);
    guest.w8(Config3, 0);
    guest.w8(Config4, 0);
    guest.send({ bytes: jumbo });
    assert.equal(guest.cable.frames.length, 1);
    assert.equal(give(guest, frame(MAC, 1518)), true);
  });
}

test("each chip sends frames up to its own largest MTU and none beyond", () => {
  for (const [key, mtu] of [
    ["rtl8169s", 7146],
    ["rtl8101e", 1500],
    ["rtl8168h", 9194],
    ["rtl8125b", 16362],
  ] as const) {
    const guest = up(key);
    guest.send({ bytes: frame(BROADCAST, mtu + 18) });
    guest.send({ bytes: frame(BROADCAST, mtu + 19) });
    assert.deepEqual(
      guest.cable.frames.map((f) => f.length),
      [mtu + 18],
      key,
    );
  }
});

test("PCIe gigabit chips do not fill in checksums of jumbo frames; PCI chips and the 8125 do", () => {
  const opts = { rtl8169s: { opts1: TxV1.ipChecksum | TxV1.tcpChecksum } } as Record<string, object>;
  for (const key of ["rtl8169s", "rtl8168h", "rtl8125b"]) {
    const guest = up(key);
    const big = ipv4Tcp({ payload: 3000 });
    guest.send({ bytes: big, ...(opts[key] ?? { opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum }) });
    const [sent] = guest.cable.frames;
    if (key === "rtl8168h") assert.deepEqual(sent, big);
    else assert.equal(verdict(sent!), TCP_GOOD);
    assert.equal(guest.nic.offences.frame, key === "rtl8168h" ? 1 : 0);
  }
});

test("the 8168E-VL and the 8125 pad frames with old bytes, and include the padding in the length for the TCP checksum", () => {
  for (const key of ["rtl8168evl", "rtl8125b"]) {
    const guest = up(key);
    guest.cable.bytes.fill(0xa5);
    guest.send({ bytes: frame(BROADCAST, 42) });
    assert.deepEqual(guest.cable.frames[0]!.slice(42), new Uint8Array(18).fill(0xa5));
    assert.equal(guest.nic.offences.short, 1);
    const padded = new Uint8Array(60);
    padded.set(ipv4Tcp({ payload: 0 }));
    guest.send({ bytes: padded, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum });
    assert.equal(verdict(guest.cable.frames[1]!), TCP_GOOD & ~Verified.transportGood);
    const right = get16(sealed(ipv4Tcp({ payload: 0 })), 50);
    // The six bytes of padding make the sum six too large, and the checksum is its one's complement.
    assert.equal(get16(guest.cable.frames[1]!, 50), right - 6);
  }
});

test("the 8169S damages an IPv4 packet of fewer than 28 bytes if it fills in a checksum", () => {
  const guest = up("rtl8169s");
  const short = frame(BROADCAST, 40, 0x0800);
  short.set(ipv4Udp({ payload: 0 }).slice(14, 34), 14);
  short[17] = 26;
  guest.send({ bytes: short, opts1: TxV1.ipChecksum });
  assert.deepEqual(
    guest.cable.frames[0]!.slice(34, 40),
    short.slice(34).map((byte) => byte ^ 0xff),
  );
  assert.equal(guest.nic.offences.frame, 1);
});

test("the 8168C does not include IPv4 options in the header checksum", () => {
  const plain = ipv4Tcp({ payload: 100 });
  const options = Uint8Array.of(...plain.slice(0, 34), 7, 4, 4, 0, ...plain.slice(34));
  options[14] = 0x46;
  options[17] = options[17]! + 4;
  const good = [up("rtl8168d-281"), up("rtl8168c-3c0")].map((guest) => {
    guest.send({ bytes: options, opts2: TxV2.ipv4Checksum | TxV2.tcpChecksum });
    return verdict(guest.cable.frames[0]!) & Verified.ipGood;
  });
  assert.deepEqual(good, [Verified.ipGood, 0]);
});

test("the 8168E-VL drops a super-frame whose last segment has six bytes of payload or fewer", () => {
  for (const [key, payload, sent] of [
    ["rtl8168evl", 2006, 0],
    ["rtl8168evl", 2007, 3],
    ["rtl8168f-480", 2006, 3],
  ] as const) {
    const guest = up(key);
    guest.send({ bytes: ipv4Tcp({ payload }), opts1: TxV2.segment4 | (34 << 18), opts2: 1000 << 18 });
    assert.equal(guest.cable.frames.length, sent, `${key} ${payload}`);
  }
});

test("the 8125 strips tags by RxConfig, older chips by CPlusCmd", () => {
  for (const key of ["rtl8169s", "rtl8168h", ...MULTIGIGABIT]) {
    const multigigabit = MULTIGIGABIT.includes(key);
    const accept = RxConf.acceptPhysical;
    for (const strip of [false, true]) {
      const guest = up(key);
      guest.w16(CPlusCmd, strip !== multigigabit ? CPlus.receiveVlan : 0);
      if (multigigabit) guest.w32(RxConfig, accept | (strip ? RxConf8125.stripInnerTag | RxConf8125.stripOuterTag : 0));
      give(guest, tagged(frame(MAC, 100)));
      assert.equal((guest.received(0).opts2 & RxTagTaken) !== 0, strip, `${key} ${strip}`);
      assert.equal(guest.received(0).bytes.length, strip ? 100 : 104);
    }
  }
});

test("multicast hashes are in reverse order on PCIe chips only", () => {
  const group = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x01);
  for (const key of ["rtl8169s", "rtl8168b", "rtl8125b"]) {
    const guest = up(key, RxConf.acceptMulticast);
    // The hash of this group is bit 31.
    const pci = key === "rtl8169s";
    guest.w32(0x08, pci ? 0x8000_0000 : 0);
    guest.w32(0x0c, pci ? 0 : 0x80);
    assert.equal(give(guest, frame(group, 64)), true, key);
    guest.w32(0x08, pci ? 0 : 0xffff_ffff);
    guest.w32(0x0c, pci ? 0xffff_ffff : ~0x80);
    assert.equal(give(guest, frame(group, 64)), false, key);
  }
});

test("the first 8168F accepts multicast only with all bits of the hash set", () => {
  const group = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x01);
  const guest = up("rtl8168f-480", RxConf.acceptMulticast);
  guest.w32(0x08, 0xffff_ffff);
  guest.w32(0x0c, 0xffff_fffe);
  assert.equal(give(guest, frame(group, 64)), false);
  guest.w32(0x0c, 0xffff_ffff);
  assert.equal(give(guest, frame(group, 64)), true);
});

test("a short UDP datagram to a PTP port is an offence only on the 8125A and 8125B", () => {
  for (const [key, port, payload, expected] of [
    ["rtl8125a", 319, 30, 1],
    ["rtl8125b", 320, 38, 1],
    ["rtl8125b", 320, 39, 0],
    ["rtl8125b", 318, 30, 0],
    ["rtl8125bp", 319, 30, 0],
    ["rtl8168h", 319, 30, 0],
  ] as const) {
    const guest = up(key);
    const bytes = ipv4Udp({ payload });
    bytes.set([port >> 8, port & 0xff], 36);
    guest.send({ bytes });
    assert.equal(guest.nic.offences.frame, expected, `${key} ${port} ${payload}`);
    assert.equal(guest.cable.frames.length, 1);
  }
});

test("the outer one of two tags is stripped, and the packet after the inner one is verified", () => {
  for (const key of ["rtl8169s", "rtl8168h"]) {
    const guest = up(key);
    guest.w16(CPlusCmd, CPlus.receiveVlan | CPlus.receiveChecksum);
    const inner = tagged(sealed(ipv4Tcp({ payload: 77 })), 7);
    give(guest, tagged(inner));
    const { bytes, opts1, opts2 } = guest.received(0);
    assert.deepEqual(bytes, inner);
    assert.equal(opts2 & 0x1_ffff, RxTagTaken | 0x2350);
    assert.equal(opts1 & (Rx.protocol | Rx.tcpChecksumFailed | Rx.ipChecksumFailed), Rx.protocolTcp);
  }
});

test("with the option `frameCheck`, the chip writes the FCS after a received frame", () => {
  const guest = new Guest({ frameCheck: true });
  guest.bringUp();
  guest.post(2);
  const bytes = frame(MAC, 50);
  give(guest, bytes);
  const at = RX_BUFFERS - BASE;
  const padded = new Uint8Array(60);
  padded.set(bytes);
  const stored = guest.memory.one.bytes.slice(at, at + 64);
  assert.deepEqual(stored.slice(0, 60), padded);
  // The residue of a frame with its FCS (IEEE 802.3).
  assert.equal(crc32(stored, 0, 64), 0x2144_df1c);
});

test("a missed frame counts in MissedPackets on PCI chips, and raises the events of ring and FIFO overflow", () => {
  for (const key of ["rtl8169s", "rtl8168h"]) {
    const guest = up(key);
    guest.post(1);
    for (let i = 0; i < 3; i++) give(guest, frame(MAC, 64));
    assert.equal(guest.nic.counters.rxMissed, 2);
    assert.equal(guest.r32(MissedPackets), key === "rtl8169s" ? 2 : 0);
    const events = Intr.receiveUnavailable | Intr.receiveFifoOverflow;
    assert.equal(guest.r16(IntrStatus) & events, events);
  }
});

test("a write to either half of a ring's base applies; on the PCI chips the low half latches both", () => {
  for (const [key, found] of [
    ["rtl8169sc-980", false],
    ["rtl8168b", true],
    ["rtl8168h", true],
    ["rtl8125b", true],
  ] as const) {
    const guest = up(key);
    guest.w8(0x37, 0);
    guest.w32(RDSARHigh, 0);
    guest.w32(RDSAR, RX_RING % 2 ** 32);
    guest.w32(RDSARHigh, Math.floor(BASE / 2 ** 32));
    guest.w8(0x37, 0x0c);
    assert.equal(give(guest, frame(MAC, 64)), found, key);
    assert.equal(guest.nic.offences.baseOrder, found ? 0 : 1);
  }
});

test("every chip returns the descriptors of a sent frame to the guest", () => {
  for (const key of [...FIRST_FORMAT, ...SECOND_FORMAT, ...MULTIGIGABIT]) {
    const guest = up(key);
    for (let i = 0; i < 300; i++) guest.send({ bytes: frame(BROADCAST, 60 + i) });
    assert.equal(guest.cable.frames.length, 300, key);
    for (let i = 0; i < 256; i++) assert.equal(guest.descriptor(TX_RING, i).opts1 & Own, 0);
  }
});
