/** Receive side scaling: Microsoft's vectors, and which frames go where. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Q_NUM_CTRL, RSS_CTRL, RSS_INDIRECTION_TBL, RSS_KEY } from "#chip/registers-8125.ts";
import { RSS_ENTRIES, RssControl } from "#chip/rss.ts";
import { Page } from "./page.ts";
import { Hashed, ReceiveSideScaling } from "./rss.ts";

/** Microsoft, "Verifying the RSS Hash Calculation". */
// prettier-ignore
// oxfmt-ignore
const KEY = [
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
  0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];
interface Vector {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
  readonly addresses: number;
  readonly withPorts: number;
}
// prettier-ignore
// oxfmt-ignore
const IPV4: readonly Vector[] = [
  { from: "66.9.149.187",   fromPort: 2794,  to: "161.142.100.80", toPort: 1766,  addresses: 0x323e8fc2, withPorts: 0x51ccc178 },
  { from: "199.92.111.2",   fromPort: 14230, to: "65.69.140.83",   toPort: 4739,  addresses: 0xd718262a, withPorts: 0xc626b0ea },
  { from: "24.19.198.95",   fromPort: 12898, to: "12.22.207.184",  toPort: 38024, addresses: 0xd2d0a5de, withPorts: 0x5c2b394a },
  { from: "38.27.205.30",   fromPort: 48228, to: "209.142.163.6",  toPort: 2217,  addresses: 0x82989176, withPorts: 0xafc7327f },
  { from: "153.39.163.191", fromPort: 44251, to: "202.188.127.2",  toPort: 1303,  addresses: 0x5d1809c5, withPorts: 0x10e828a2 },
];
// prettier-ignore
// oxfmt-ignore
const IPV6: readonly Vector[] = [
  { from: "3ffe:2501:200:1fff:0:0:0:7",            fromPort: 2794,  to: "3ffe:2501:200:3:0:0:0:1",        toPort: 1766,  addresses: 0x2cc18cd5, withPorts: 0x40207d3d },
  { from: "3ffe:501:8:0:260:97ff:fe40:efab",       fromPort: 14230, to: "ff02:0:0:0:0:0:0:1",             toPort: 4739,  addresses: 0x0f0c461c, withPorts: 0xdde51bbf },
  { from: "3ffe:1900:4545:3:200:f8ff:fe21:67cf",   fromPort: 44251, to: "fe80:0:0:0:200:f8ff:fe21:67cf",  toPort: 38024, addresses: 0x4b61e985, withPorts: 0x02d1feef },
];

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
  const rss = new ReceiveSideScaling(page, queues);
  KEY.forEach((byte, i) => page.put(RSS_KEY[0]! + i, 1, byte));
  for (let i = 0; i < RSS_ENTRIES; i++) page.put(RSS_INDIRECTION_TBL[0]! + i, 1, i % 4);
  page.put(RSS_CTRL, 4, control | (7 << RssControl.maskShift));
  page.put(Q_NUM_CTRL, 2, Math.log2(queues) << RssControl.queuesShift);
  rss.configure();
  return { rss, page };
};
const hashOf = (rss: ReceiveSideScaling, frame: Uint8Array): number => {
  // At an odd place, and in larger memory.
  const memory = new Uint8Array(frame.length + 9).fill(0xa5);
  memory.set(frame, 3);
  rss.steer(memory, 3, frame.length);
  return rss.hash >>> 0;
};
const ALL = RssControl.any;

test("hashes IPv4 as Microsoft's vectors do, with and without ports", () => {
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

test("hashes IPv6 as Microsoft's vectors do, with and without ports", () => {
  const { rss } = setUp(ALL);
  const { rss: plain } = setUp(RssControl.ipv6);
  for (const vector of IPV6) {
    assert.equal(hashOf(rss, ipv6(TCP, vector)), vector.withPorts);
    assert.equal(rss.hashed, Hashed.ipv6 | Hashed.tcp);
    assert.equal(hashOf(plain, ipv6(UDP, vector)), vector.addresses);
  }
});

test("looks through VLAN tags, and through IPv6 extension headers where the control says so", () => {
  const { rss } = setUp(ALL);
  const [first] = IPV4;
  assert.equal(hashOf(rss, ipv4(TCP, first!, { tag: [0x81, 0x00, 0x00, 0x07] })), first!.withPorts);
  const [sixth] = IPV6;
  assert.equal(hashOf(rss, ipv6(TCP, sixth!, options(TCP))), sixth!.withPorts);
  const { rss: unextended } = setUp(RssControl.tcpIpv6 | RssControl.ipv6);
  assert.equal(hashOf(unextended, ipv6(TCP, sixth!, options(TCP))), sixth!.addresses);
});

test("leaves the ports of fragments alone, since only the first one has them", () => {
  const { rss } = setUp(ALL);
  const [vector] = IPV4;
  assert.equal(hashOf(rss, ipv4(TCP, vector!, { fragment: 0x2000 })), vector!.addresses);
  assert.equal(hashOf(rss, ipv4(TCP, vector!, { fragment: 0x0010 })), vector!.addresses);
});

test("steers by the table, which the low bits of the hash index", () => {
  const { rss, page } = setUp(ALL);
  const frame = ipv4(TCP, IPV4[0]!);
  const entry = RSS_INDIRECTION_TBL[0]! + (IPV4[0]!.withPorts & (RSS_ENTRIES - 1));
  page.put(entry, 1, 3);
  assert.equal(rss.steer(frame, 0, frame.length), 3);
  page.put(entry, 1, 1);
  assert.equal(rss.steer(frame, 0, frame.length), 1);
});

test("never steers to a queue that the chip has not, or that is not in use", () => {
  const { rss, page } = setUp(ALL);
  for (let i = 0; i < RSS_ENTRIES; i++) page.put(RSS_INDIRECTION_TBL[0]! + i, 1, 0xff);
  const frame = ipv4(TCP, IPV4[0]!);
  assert.equal(rss.steer(frame, 0, frame.length), 3);
  page.put(Q_NUM_CTRL, 2, 0);
  rss.configure();
  assert.equal(rss.steer(frame, 0, frame.length), 0);
  page.put(Q_NUM_CTRL, 2, 7 << RssControl.queuesShift);
  rss.configure();
  assert.equal(rss.steer(frame, 0, frame.length), 3);
});

test("sends to queue 0 what it does not hash", () => {
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

test("a new key counts from the next frame on", () => {
  const { rss, page } = setUp(ALL);
  const frame = ipv4(TCP, IPV4[0]!);
  hashOf(rss, frame);
  for (let i = 0; i < KEY.length; i++) page.put(RSS_KEY[0]! + i, 1, 0);
  rss.configure();
  assert.equal(hashOf(rss, frame), 0);
  assert.equal(rss.hashed, Hashed.ipv4 | Hashed.tcp);
});
