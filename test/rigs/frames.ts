/** Frames for conformance tests, and independent checks of received frames. */
import assert from "node:assert/strict";
import { buildTcpFrame, buildUdpFrame, type Ends } from "#wire/frames.ts";
import { memoryOf } from "#wire/memory.ts";
import { slowSum } from "#wire/reference.test-kit.ts";

export const HERE = Uint8Array.of(2, 0, 0, 0, 0, 1);
export const THERE = Uint8Array.of(2, 0, 0, 0, 0, 2);
const V6 = (last: number): Uint8Array => Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last);

/** The ends of frames from the NIC's host to the far end, or in the opposite direction. */
export const ends = (options: { v6?: boolean; inbound?: boolean; tag?: number } = {}): Ends => {
  const { v6 = false, inbound = false, tag } = options;
  const [from, to] = inbound ? [2, 1] : [1, 2];
  return {
    source: inbound ? THERE : HERE,
    destination: inbound ? HERE : THERE,
    from: v6 ? V6(from) : 0x0a00_0000 + from,
    to: v6 ? V6(to) : 0x0a00_0000 + to,
    ...(tag === undefined ? {} : { tag }),
  };
};

/** Bytes that differ from their neighbours and from one frame to the next. */
export const payload = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8) * 7 + seed * 101) & 0xff);

/** A TCP frame of at most 64 KiB. */
export const tcp = (where: Ends, data: Uint8Array, options: { flags?: number; sequence?: number } = {}): Uint8Array => {
  const bytes = new Uint8Array(data.length + 128);
  const header = {
    sourcePort: 1000,
    destinationPort: 2000,
    sequence: options.sequence ?? 0x1234_5678,
    acknowledgement: 1,
    headerLength: 20,
    flags: options.flags ?? 0x10,
    window: 512,
  };
  return bytes.slice(0, buildTcpFrame(memoryOf(bytes), 0, where, header, data));
};

export const udp = (where: Ends, data: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(data.length + 128);
  return bytes.slice(0, buildUdpFrame(memoryOf(bytes), 0, where, { sourcePort: 1000, destinationPort: 2000 }, data));
};

/** Offsets in a frame without IP options. VLAN tags are skipped. */
export const layout = (frame: Uint8Array): { network: number; transport: number; v6: boolean; protocol: number } => {
  let network = 14;
  while (frame[network - 2] === 0x81 && frame[network - 1] === 0x00) network += 4;
  const v6 = frame[network]! >>> 4 === 6;
  return { network, transport: network + (v6 ? 40 : 20), v6, protocol: frame[network + (v6 ? 6 : 9)]! };
};

/**
 * Stores only the pseudo-header's sum in the checksum field, as a network stack does for the NIC. For a super-frame,
 * `withLength` must be false.
 */
export const leaveChecksum = (frame: Uint8Array, withLength = true): void => {
  const { network, transport, v6, protocol } = layout(frame);
  const addresses = v6 ? slowSum(frame, network + 8, 32) : slowSum(frame, network + 12, 8);
  const length = withLength ? frame.length - transport : 0;
  let sum = addresses + protocol + length;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  const at = transport + (protocol === 6 ? 16 : 6);
  frame[at] = sum >>> 8;
  frame[at + 1] = sum;
};

/** Asserts that every checksum in a TCP or UDP frame is correct. They are computed again by `slowSum`. */
export const assertSums = (frame: Uint8Array): void => {
  const { network, transport, v6, protocol } = layout(frame);
  const ipEnd = v6
    ? network + 40 + frame[network + 4]! * 256 + frame[network + 5]!
    : network + frame[network + 2]! * 256 + frame[network + 3]!;
  if (!v6) assert.equal(slowSum(frame, network, 20), 0xffff, "the IPv4 header's checksum must be correct");
  const addresses = v6 ? slowSum(frame, network + 8, 32) : slowSum(frame, network + 12, 8);
  const length = ipEnd - transport;
  assert.equal(
    slowSum(frame, transport, length, addresses + protocol + length),
    0xffff,
    "the TCP or UDP checksum must be correct",
  );
};
