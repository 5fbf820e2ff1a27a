/** Frames for the model's tests: fixed addresses, recognisable payloads. Checksums are 0 unless `sealed` is called. */
import { buildEthernet, EtherType } from "#wire/ethernet.ts";
import { fillIpv4Checksum, fillTransportChecksum } from "#wire/fill.ts";
import { buildIpv4, IPV4_BYTES, Protocol } from "#wire/ipv4.ts";
import { memoryOf, newMemory } from "#wire/memory.ts";
import { put16 } from "#wire/bigendian.ts";
import { segment } from "#wire/segment.test-kit.ts";
import { buildTcp, TCP_BYTES } from "#wire/tcp.ts";
import { MAC } from "../guest.test-kit.ts";

const OTHER = Uint8Array.of(0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee);
const ETHERNET = 14;
const IPV6 = 40;
const UDP = 8;

export interface PacketOptions {
  /** Number of payload bytes. */
  readonly payload: number;
  readonly flags?: number;
}

const fill = (bytes: Uint8Array, from: number): void => {
  for (let i = from; i < bytes.length; i++) bytes[i] = i * 31 + (i >> 8);
};

const ipv4 = (options: PacketOptions, protocol: number, transportBytes: number): Uint8Array => {
  const bytes = new Uint8Array(ETHERNET + IPV4_BYTES + transportBytes + options.payload);
  buildEthernet(bytes, 0, { destination: MAC, source: OTHER, type: EtherType.ipv4 });
  buildIpv4(bytes, ETHERNET, {
    totalLength: bytes.length - ETHERNET,
    identification: 0xfffe,
    fragment: 0x4000,
    timeToLive: 64,
    protocol,
    source: 0x0a00_0001,
    destination: 0x0a00_0002,
  });
  fill(bytes, ETHERNET + IPV4_BYTES + transportBytes);
  return bytes;
};

const tcp = (bytes: Uint8Array, at: number, options: PacketOptions): Uint8Array => {
  buildTcp(bytes, at, {
    sourcePort: 1234,
    destinationPort: 80,
    sequence: 0xffff_f000,
    acknowledgement: 77,
    headerLength: TCP_BYTES,
    flags: options.flags ?? 0x10,
    window: 1000,
  });
  return bytes;
};

export const ipv4Tcp = (options: PacketOptions): Uint8Array =>
  tcp(ipv4(options, Protocol.tcp, TCP_BYTES), ETHERNET + IPV4_BYTES, options);

export const ipv4Udp = (options: PacketOptions): Uint8Array => {
  const bytes = ipv4(options, Protocol.udp, UDP);
  const at = ETHERNET + IPV4_BYTES;
  put16(bytes, at, 5000);
  put16(bytes, at + 2, 7);
  put16(bytes, at + 4, UDP + options.payload);
  return bytes;
};

export const ipv6Tcp = (options: PacketOptions): Uint8Array => {
  const bytes = new Uint8Array(ETHERNET + IPV6 + TCP_BYTES + options.payload);
  buildEthernet(bytes, 0, { destination: MAC, source: OTHER, type: EtherType.ipv6 });
  bytes[ETHERNET] = 0x60;
  put16(bytes, ETHERNET + 4, TCP_BYTES + options.payload);
  bytes[ETHERNET + 6] = Protocol.tcp;
  bytes[ETHERNET + 7] = 64;
  for (let i = 0; i < 32; i++) bytes[ETHERNET + 8 + i] = 0x20 + i;
  fill(bytes, ETHERNET + IPV6 + TCP_BYTES);
  return tcp(bytes, ETHERNET + IPV6, options);
};

/** Fills in the checksums of a frame and returns it. */
export const sealed = (bytes: Uint8Array): Uint8Array => {
  const ipv6 = bytes[ETHERNET]! >>> 4 === 6;
  const transport = ETHERNET + (ipv6 ? IPV6 : IPV4_BYTES);
  const protocol = bytes[ETHERNET + (ipv6 ? 6 : 9)]!;
  const memory = memoryOf(bytes);
  if (!ipv6) fillIpv4Checksum(memory, ETHERNET, bytes.length);
  fillTransportChecksum(memory, ETHERNET, transport, bytes.length, protocol);
  return bytes;
};

/**
 * The segments of the super-frame `whole`, from a second, simpler implementation (`#wire/segment.test-kit.ts`). @param
 * transport offset of the TCP header
 */
export const segmentsOf = (whole: Uint8Array, transport: number, size: number): Uint8Array[] => {
  const frames: Uint8Array[] = [];
  const memory = newMemory(65_536);
  const port = {
    ...memory,
    reserve: () => 0,
    commit: (length: number) => void frames.push(memory.bytes.slice(0, length)),
  };
  segment(memoryOf(whole), 0, whole.length, ETHERNET, transport, size, port);
  return frames;
};
