/** The offloads that are requested of each chip, and those done in software. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS, chipNamed } from "#chip/chips.ts";
import { Send } from "#kit/link.ts";
import { offloadsOf, transmitRules } from "./offload-rules.ts";

const facts = (key: string) => chipNamed(key)!.profile.frames;
const keys = CHIPS.map(({ key }) => key);
const offered = (key: string, mtu: number): boolean[] => {
  const { checksum, segmentation } = offloadsOf(facts(key), mtu);
  return [checksum, segmentation];
};

test("above an MTU of 1500, PCI chips offer checksums and segmentation, the 8125 and later only checksums, and other chips neither", () => {
  for (const key of keys) assert.deepEqual(offered(key, 1500), [true, true], key);
  for (const key of ["rtl8168b", "rtl8168c-3c0", "rtl8168evl", "rtl8168h", "rtl8117-54b"])
    assert.deepEqual(offered(key, 1501), [false, false], key);
  for (const key of ["rtl8125a", "rtl8126a-64a", "rtl8127a"]) assert.deepEqual(offered(key, 1501), [true, false], key);
  for (const key of ["rtl8169s", "rtl8169sc-980"]) assert.deepEqual(offered(key, 1501), [true, true], key);
});

test("no chip segments above an MTU of 2047, because the descriptor's segment size field is too small", () => {
  assert.deepEqual(offered("rtl8169s", 2047), [true, true]);
  for (const key of keys) assert.equal(offloadsOf(facts(key), 2048).segmentation, false, key);
});

const limits = (key: string) => {
  const { ipv6, superFrameBytes, segments } = offloadsOf(facts(key), 1500);
  return [ipv6, superFrameBytes, segments, transmitRules(facts(key)).frameDescriptors];
};

test("the first descriptor format has shorter super-frames, and no offloads over IPv6", () => {
  for (const key of ["rtl8169s", "rtl8168b", "rtl8101e"]) assert.deepEqual(limits(key), [false, 32_000, 24, 24], key);
  for (const key of ["rtl8401", "rtl8168c-3c0", "rtl8168h", "rtl8127a"])
    assert.deepEqual(limits(key), [true, 64_000, 64, 64], key);
});

test("chips without faults refuse no offload, and need no padding by software", () => {
  for (const key of ["rtl8168d-281", "rtl8168e-2c1", "rtl8168f-481", "rtl8168g", "rtl8168h", "rtl8168ep", "rtl8106e"]) {
    assert.equal(offloadsOf(facts(key), 1500).refuses, undefined, key);
    assert.equal(transmitRules(facts(key)).padding, undefined, key);
  }
});

/** An IP packet without payload; only the fields that the rules read are set. */
const packet = (options: {
  ipv6?: boolean;
  /** Length of the IPv4 header in bytes. */
  network?: number;
  /** Length of the TCP header in bytes. */
  tcp?: number;
  protocol?: number;
  tags?: number;
  port?: number;
  length: number;
}): Uint8Array => {
  const { ipv6 = false, network = 20, tcp = 20, protocol = 6, tags = 0, port = 0, length } = options;
  const bytes = new Uint8Array(256);
  const at = 14 + 4 * tags;
  for (let i = 0; i < tags; i++) bytes.set([0x81, 0], 12 + 4 * i);
  bytes.set(ipv6 ? [0x86, 0xdd] : [8, 0], at - 2);
  const packetBytes = length - at - (ipv6 ? 40 : 0);
  if (ipv6) bytes.set([0x60, 0, 0, 0, packetBytes >> 8, packetBytes, protocol], at);
  else {
    bytes.set([0x40 | (network >> 2), 0, packetBytes >> 8, packetBytes], at);
    bytes[at + 9] = protocol;
  }
  const transport = at + (ipv6 ? 40 : network);
  if (protocol === 6) bytes[transport + 12] = (tcp >> 2) << 4;
  else bytes.set([port >> 8, port], transport + 2);
  return bytes;
};

const refuses = (key: string, bytes: Uint8Array, length: number, flags: number, transport: number): boolean =>
  offloadsOf(facts(key), 1500).refuses!(bytes, 0, length, flags | (transport << Send.transportOffsetShift));

test("checksums of frames below 42 bytes are computed in software on the PCI chips and the first PCI Express chips", () => {
  for (const key of ["rtl8169s", "rtl8168b", "rtl8101e"])
    for (const length of [41, 42])
      assert.equal(refuses(key, packet({ length, protocol: 17 }), length, Send.udpChecksum, 34), length < 42, key);
});

test("checksums of frames below 60 bytes, or with padding after the packet, are computed in software on the 8168E-VL, the 8125 and later", () => {
  for (const key of ["rtl8168evl", "rtl8125d-688", "rtl8127a"]) {
    const sum = (length: number, packetBytes: number, ipv6 = false) =>
      refuses(
        key,
        packet({ length: packetBytes, ipv6 }),
        length,
        Send.tcpChecksum | (ipv6 ? Send.ipv6 : 0),
        ipv6 ? 54 : 34,
      );
    assert.deepEqual([sum(59, 59), sum(60, 60), sum(61, 60), sum(100, 100)], [true, false, true, false], key);
    assert.deepEqual([sum(100, 100, true), sum(101, 100, true)], [false, true], key);
  }
});

test("no offload is requested for frames with an in-band VLAN tag from chips that parse the headers themselves", () => {
  for (const [key, itself] of [
    ["rtl8169s", true],
    ["rtl8168b", true],
    ["rtl8101e", true],
    ["rtl8168c-3c0", false],
  ] as const)
    for (const tags of [0, 1]) {
      const bytes = packet({ length: 200, tags });
      const transport = 14 + 4 * tags + 20;
      assert.equal(refuses(key, bytes, 200, Send.tcpChecksum, transport), itself && tags === 1, `${key}, ${tags} tags`);
      const cut = refuses(key, packet({ length: 3000, tags }), 3000, 1440 | Send.tcpChecksum, transport);
      assert.equal(cut, itself && tags === 1, `${key}, ${tags} tags, segmentation`);
    }
});

test("checksums and segmentation of IPv4 packets with options are done in software on the 8168C", () => {
  for (const [network, tags] of [
    [20, 0],
    [24, 0],
    [60, 1],
    [20, 2],
  ] as const) {
    const transport = 14 + 4 * tags + network;
    const bytes = packet({ length: 200, network, tags });
    for (const flags of [Send.tcpChecksum, Send.tcpChecksum | 1000])
      assert.equal(refuses("rtl8168c-3c0", bytes, 200, flags, transport), network > 20);
  }
  const over6 = Send.tcpChecksum | Send.ipv6;
  assert.equal(refuses("rtl8168c-3c0", packet({ length: 200, ipv6: true }), 200, over6, 54), false);
});

const refusesPlain = (network: number, tcp: number, payload: number, ipv6 = false) => {
  const transport = 14 + (ipv6 ? 40 : network);
  const length = transport + tcp + payload;
  const flags = Send.tcpChecksum | 1000 | (ipv6 ? Send.ipv6 : 0);
  return refuses("rtl8168evl", packet({ length, network, tcp, ipv6 }), length, flags, transport);
};

test("the 8168E-VL does not segment IPv4 with options in either header, nor if the last segment has six bytes or fewer", () => {
  assert.deepEqual(
    [refusesPlain(20, 20, 2007), refusesPlain(24, 20, 2007), refusesPlain(20, 32, 2007)],
    [false, true, true],
  );
  assert.deepEqual(
    [refusesPlain(20, 20, 2001), refusesPlain(20, 20, 2006), refusesPlain(20, 20, 2000)],
    [true, true, false],
  );
  assert.deepEqual([refusesPlain(0, 32, 2007, true), refusesPlain(0, 32, 2006, true)], [false, true]);
});

const refusesLast = (key: string, tcp: number, payload: number) =>
  refuses(key, packet({ length: 34 + tcp + payload, tcp }), 34 + tcp + payload, Send.tcpChecksum | 1000, 34);

test("a super-frame with a short last segment is segmented in software on chips that pad with stale bytes", () => {
  assert.deepEqual([refusesLast("rtl8125d-688", 20, 3005), refusesLast("rtl8125d-688", 20, 3006)], [true, false]);
  assert.equal(refusesLast("rtl8125d-688", 32, 3001), false);
});

test("for the 8125A and 8125B, frames of up to 174 bytes are padded if the UDP header is incomplete or a PTP datagram is shorter than 47 bytes", () => {
  const { below, paddedLength } = transmitRules(facts("rtl8125b")).padding!;
  assert.equal(below, 175);
  const length = (bytes: number, options: Partial<Parameters<typeof packet>[0]>) =>
    paddedLength(packet({ protocol: 17, length: bytes, ...options }), 0, bytes);
  for (const port of [319, 320]) {
    assert.equal(length(42, { port }), 34 + 47);
    assert.equal(length(80, { port }), 34 + 47);
    assert.ok(length(81, { port }) <= 81);
    assert.equal(length(74 + 46, { port, network: 60 }), 74 + 47);
    assert.equal(length(90, { port, ipv6: true, tags: 1 }), 58 + 47);
    assert.equal(length(38, { port }), 34 + 47, "a frame that ends after the ports");
    assert.equal(length(37, { port }), 60, "a frame that ends inside the ports");
  }
  assert.equal(length(74, { network: 60 }), 82);
  assert.equal(length(54, { ipv6: true }), 62);
  assert.ok(length(100, { port: 53 }) <= 100);
  assert.ok(length(100, { port: 319, protocol: 6 }) <= 100);
  assert.equal(transmitRules(facts("rtl8125d-688")).padding!.below, 60);
});

const refusesPtp = (key: string, length: number): boolean =>
  refuses(key, packet({ protocol: 17, port: 319, length }), length, Send.udpChecksum, 34);

test("the checksum of a datagram that must be padded for the 8125A and 8125B is computed in software", () => {
  assert.deepEqual([refusesPtp("rtl8125a", 80), refusesPtp("rtl8125a", 81)], [true, false]);
  assert.deepEqual([refusesPtp("rtl8125d-688", 80), refusesPtp("rtl8125d-688", 81)], [false, false]);
});

test("UDP is found after IPv6 extension headers", () => {
  const { paddedLength } = transmitRules(facts("rtl8125a")).padding!;
  const bytes = packet({ ipv6: true, protocol: 0, length: 80 });
  bytes.set([60, 0], 54); // hop-by-hop options, 8 bytes
  bytes.set([17, 1], 62); // destination options, 16 bytes
  bytes.set([0, 0, 319 >> 8, 319 & 0xff], 78);
  assert.equal(paddedLength(bytes, 0, 82), 78 + 47);
  assert.equal(paddedLength(bytes, 0, 79), 78 + 8);
  // A chain of headers that runs past the end of the frame has no UDP header.
  assert.equal(paddedLength(bytes, 0, 63), 60);
});
