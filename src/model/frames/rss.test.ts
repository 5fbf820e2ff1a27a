/** Receive side scaling: Microsoft's test vectors, and the choice of queues. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Q_NUM_CTRL, RSS_CTRL, RSS_INDIRECTION_TBL, RSS_KEY } from "#chip/registers-8125.ts";
import { RSS_TABLE } from "#chip/registers.ts";
import { ExtendedRss, RSS_ENTRIES, QueueCount, RssControl } from "#chip/rss.ts";
import { Page } from "../registers/page.ts";
import { IPV4, IPV6, KEY, type Vector } from "./rss.test-kit.ts";
import { Hashed, ReceiveSideScaling } from "./rss.ts";
import { extendedRegisters, windowRegisters } from "./steering-registers.ts";

const TCP = 6;
const UDP = 17;
const ETHERNET = 14;
const bytesOf = (address: string): number[] =>
  address.includes(".")
    ? address.split(".").map(Number)
    : address.split(":").flatMap((part) => [parseInt(part, 16) >> 8, parseInt(part, 16) & 0xff]);
const be16 = (value: number): number[] => [value >> 8, value & 0xff];
const transportOf = (protocol: number, vector: Vector): number[] => {
  const ports = [...be16(vector.fromPort), ...be16(vector.toPort)];
  return protocol === TCP ? [...ports, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0, 0, 0, 0, 0, 0, 0] : [...ports, 0, 8, 0, 0];
};
const ethernet = (type: number, tag: number[], packet: number[]): Uint8Array =>
  Uint8Array.from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ...tag, ...be16(type), ...packet]);
const ipv4 = (protocol: number, vector: Vector, { fragment = 0, tag = [] as number[] } = {}): Uint8Array => {
  const transport = transportOf(protocol, vector);
  const header = [0x45, 0, ...be16(20 + transport.length), 0, 0, ...be16(fragment), 64, protocol, 0, 0];
  return ethernet(0x0800, tag, [...header, ...bytesOf(vector.from), ...bytesOf(vector.to), ...transport]);
};
const ipv6 = (protocol: number, vector: Vector, extensions: number[] = []): Uint8Array => {
  const rest = [...extensions, ...transportOf(protocol, vector)];
  const next = extensions.length > 0 ? 60 : protocol;
  const header = [0x60, 0, 0, 0, ...be16(rest.length), next, 64];
  return ethernet(0x86dd, [], [...header, ...bytesOf(vector.from), ...bytesOf(vector.to), ...rest]);
};
/** A destination options header of 8 bytes with padding. */
const options = (next: number): number[] => [next, 0, 1, 4, 0, 0, 0, 0];

const setUp = (control: number, queues = 4): { rss: ReceiveSideScaling; page: Page } => {
  const page = new Page(new ArrayBuffer(0x10000), 0, 0x10000);
  const rss = new ReceiveSideScaling(windowRegisters(page), queues);
  KEY.forEach((byte, i) => page.put(RSS_KEY[0]! + i, 1, byte));
  for (let i = 0; i < RSS_ENTRIES; i++) page.put(RSS_INDIRECTION_TBL[0]! + i, 1, i % 4);
  page.put(RSS_CTRL, 4, control | (7 << RssControl.maskShift));
  page.put(Q_NUM_CTRL, 2, Math.log2(queues) << QueueCount.shift);
  rss.configure();
  return { rss, page };
};
/** Like `setUp`, but with the RTL8168H's registers and for four queues. */
const setUpExtended = (control: number): ReceiveSideScaling => {
  const page = new Page(new ArrayBuffer(0x100), 0, 0x100);
  const extended = new DataView(new ArrayBuffer(0x100));
  KEY.forEach((byte, i) => extended.setUint8(ExtendedRss.key + i, byte));
  extended.setUint32(ExtendedRss.control, control | (7 << RssControl.maskShift) | ExtendedRss.four, true);
  extended.setUint32(ExtendedRss.queues, 2 << QueueCount.shift, true);
  for (const [i, at] of RSS_TABLE.entries()) page.put(at, 4, i < 4 ? 0xaaaa_aaaa : 0xcccc_cccc);
  const rss = new ReceiveSideScaling(
    extendedRegisters(page, (address) => extended.getUint32(address, true)),
    4,
  );
  rss.configure();
  return rss;
};
const hashOf = (rss: ReceiveSideScaling, frame: Uint8Array): number => {
  // The frame is at an odd offset, inside a larger array.
  const memory = new Uint8Array(frame.length + 9).fill(0xa5);
  memory.set(frame, 3);
  rss.steer(memory, 3, frame.length);
  return rss.hash >>> 0;
};
const ALL = RssControl.any;

test("the hash of IPv4 frames, with and without ports, is that of Microsoft's test vectors", () => {
  const { rss } = setUp(ALL);
  const { rss: plain } = setUp(RssControl.ipv4);
  for (const vector of IPV4) {
    assert.equal(hashOf(rss, ipv4(TCP, vector)), vector.withPorts);
    assert.equal(rss.hashed, Hashed.ipv4 | Hashed.tcp);
    assert.equal(hashOf(rss, ipv4(UDP, vector)), vector.withPorts);
    assert.equal(rss.hashed, Hashed.ipv4 | Hashed.udp);
    assert.equal(hashOf(plain, ipv4(TCP, vector)), vector.addresses);
    assert.equal(plain.hashed, Hashed.ipv4);
  }
});

test("the hash of IPv6 frames, with and without ports, is that of Microsoft's test vectors", () => {
  const { rss } = setUp(ALL);
  const { rss: plain } = setUp(RssControl.ipv6);
  for (const vector of IPV6) {
    assert.equal(hashOf(rss, ipv6(TCP, vector)), vector.withPorts);
    assert.equal(rss.hashed, Hashed.ipv6 | Hashed.tcp);
    assert.equal(hashOf(plain, ipv6(UDP, vector)), vector.addresses);
  }
});

test("the RTL8168H's hash is that of Microsoft's test vectors without UDP ports; a bit table selects the queue", () => {
  const rss = setUpExtended(ALL);
  const frames = [...IPV4.map((vector) => [vector, ipv4] as const), ...IPV6.map((vector) => [vector, ipv6] as const)];
  for (const [vector, packet] of frames) {
    const frame = packet(TCP, vector);
    assert.equal(rss.steer(frame, 0, frame.length), vector.withPorts & 3);
    assert.equal(rss.hash >>> 0, vector.withPorts);
    assert.equal(hashOf(rss, packet(UDP, vector)), vector.addresses);
    assert.equal(rss.hashed & (Hashed.tcp | Hashed.udp), 0);
  }
});

test("the chip skips VLAN tags, and IPv6 extension headers where RSS_CTRL selects that", () => {
  const { rss } = setUp(ALL);
  const [first] = IPV4;
  assert.equal(hashOf(rss, ipv4(TCP, first!, { tag: [0x81, 0x00, 0x00, 0x07] })), first!.withPorts);
  const [sixth] = IPV6;
  assert.equal(hashOf(rss, ipv6(TCP, sixth!, options(TCP))), sixth!.withPorts);
  const { rss: unextended } = setUp(RssControl.tcpIpv6 | RssControl.ipv6);
  assert.equal(hashOf(unextended, ipv6(TCP, sixth!, options(TCP))), sixth!.addresses);
});

test("the chip does not hash ports of fragments, since only the first one has them", () => {
  const { rss } = setUp(ALL);
  const [vector] = IPV4;
  assert.equal(hashOf(rss, ipv4(TCP, vector!, { fragment: 0x2000 })), vector!.addresses);
  assert.equal(hashOf(rss, ipv4(TCP, vector!, { fragment: 0x0010 })), vector!.addresses);
});

test("the indirection table, indexed by the low bits of the hash, selects the queue", () => {
  const { rss, page } = setUp(ALL);
  const frame = ipv4(TCP, IPV4[0]!);
  const entry = RSS_INDIRECTION_TBL[0]! + (IPV4[0]!.withPorts & (RSS_ENTRIES - 1));
  page.put(entry, 1, 3);
  rss.configure();
  assert.equal(rss.steer(frame, 0, frame.length), 3);
  page.put(entry, 1, 1);
  rss.configure();
  assert.equal(rss.steer(frame, 0, frame.length), 1);
});

test("the chip never steers frames to a queue that does not exist or is not in use", () => {
  const { rss, page } = setUp(ALL);
  for (let i = 0; i < RSS_ENTRIES; i++) page.put(RSS_INDIRECTION_TBL[0]! + i, 1, 0xff);
  rss.configure();
  const frame = ipv4(TCP, IPV4[0]!);
  assert.equal(rss.steer(frame, 0, frame.length), 3);
  page.put(Q_NUM_CTRL, 2, 0);
  rss.configure();
  assert.equal(rss.steer(frame, 0, frame.length), 0);
  page.put(Q_NUM_CTRL, 2, 7 << QueueCount.shift);
  rss.configure();
  assert.equal(rss.steer(frame, 0, frame.length), 3);
});

test("frames that are not hashed are steered to queue 0", () => {
  const { rss } = setUp(ALL);
  const arp = ethernet(0x0806, [], Array<number>(46).fill(1));
  assert.equal(rss.steer(arp, 0, arp.length), 0);
  assert.equal(rss.hashed, 0);
  const short = ipv4(TCP, IPV4[0]!).subarray(0, ETHERNET + 10);
  assert.equal(rss.steer(short, 0, short.length), 0);
  assert.equal(rss.hashed, 0);
  const { rss: off } = setUp(0);
  assert.equal(hashOf(off, ipv4(TCP, IPV4[0]!)), 0);
});

test("a new key applies from the next frame", () => {
  const { rss, page } = setUp(ALL);
  const frame = ipv4(TCP, IPV4[0]!);
  hashOf(rss, frame);
  for (let i = 0; i < KEY.length; i++) page.put(RSS_KEY[0]! + i, 1, 0);
  rss.configure();
  assert.equal(hashOf(rss, frame), 0);
  assert.equal(rss.hashed, Hashed.ipv4 | Hashed.tcp);
});
