/** For tests: frames as a kernel passes them, with and without offload requests. */
import type { Offloads } from "#kit/link.ts";
import { put16 } from "#wire/bigendian.ts";
import { buildTcpFrame, buildUdpFrame, type Ends } from "#wire/frames.ts";
import { newMemory } from "#wire/memory.ts";
import { slowSum } from "#wire/reference.test-kit.ts";
import type { Tcp } from "#wire/tcp.ts";
import { type HostFrame, NO_REQUEST } from "./frame-sockets.test-kit.ts";
import { Gso, NEEDS_CHECKSUM } from "./vnet-header.ts";

const MAC = { destination: Uint8Array.of(2, 0, 0, 0, 0, 1), source: Uint8Array.of(2, 0, 0, 0, 0, 2) };
export const V4: Ends = { ...MAC, from: 0x0a00_0001, to: 0x0a00_0002 };
export const V6: Ends = { ...MAC, from: new Uint8Array(16).fill(0xfd), to: new Uint8Array(16).fill(0xfe) };
export const TCP = {
  sourcePort: 1,
  destinationPort: 2,
  sequence: 3,
  acknowledgement: 4,
  headerLength: 32,
  flags: 0x10,
  window: 5,
};

export const data = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 113 + (i >>> 8)) & 0xff);

export const tcpFrame = (ends: Ends, length: number, header: Tcp = TCP): Uint8Array => {
  const memory = newMemory(length + 200);
  return memory.bytes.slice(0, buildTcpFrame(memory, 0, ends, header, data(length)));
};

export const udpFrame = (ends: Ends, length: number): Uint8Array => {
  const memory = newMemory(length + 200);
  return memory.bytes.slice(0, buildUdpFrame(memory, 0, ends, TCP, data(length)));
};

/** The `Offloads` of a NIC that has every offload and refuses no frame. */
export const OFFLOADS: Offloads = {
  checksum: true,
  segmentation: true,
  ipv6: true,
  superFrameBytes: 64_000,
  segments: 64,
  refuses: undefined,
};

const transportOf = (ends: Ends): number =>
  (ends.tag === undefined ? 14 : 18) + (typeof ends.from === "number" ? 20 : 40);

/** The frame as the kernel passes it with a checksum request: the checksum field holds the pseudo header's sum. */
export const partial = (frame: Uint8Array, ends: Ends, field: number): HostFrame => {
  const transport = transportOf(ends);
  const addresses = typeof ends.from === "number" ? 8 : 32;
  const left = frame.slice();
  const protocol = field === 16 ? 6 : 17;
  put16(left, transport + field, slowSum(frame, transport - addresses, addresses, protocol + frame.length - transport));
  return { ...NO_REQUEST, flags: NEEDS_CHECKSUM, checksumStart: transport, checksumOffset: field, frame: left };
};

export const superFrame = (ends: Ends, length: number, segmentBytes = 1448): HostFrame => ({
  ...partial(tcpFrame(ends, length), ends, 16),
  gso: typeof ends.from === "number" ? Gso.tcp4 : Gso.tcp6,
  segmentBytes,
  headerBytes: transportOf(ends) + 32,
});
