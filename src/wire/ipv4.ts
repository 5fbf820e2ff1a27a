/** IPv4 headers (RFC 791). Addresses are unsigned 32-bit numbers. */
import { get16, get32, put16, put32 } from "./bigendian.ts";

export const VERSION_AND_LENGTH = 0;
export const TOTAL_LENGTH = 2;
export const IDENTIFICATION = 4;
export const FRAGMENT = 6;
export const TIME_TO_LIVE = 8;
export const PROTOCOL = 9;
export const CHECKSUM = 10;
export const SOURCE = 12;
export const DESTINATION = 16;
/** Length in bytes of a header without options. */
export const IPV4_BYTES = 20;

export const DONT_FRAGMENT = 0x4000;
export const MORE_FRAGMENTS = 0x2000;
export const FRAGMENT_OFFSET = 0x1fff;

export const Protocol = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;

export interface Ipv4 {
  /** Length in bytes of the header, including options. */
  readonly headerLength: number;
  /** Length of header and payload in bytes. */
  readonly totalLength: number;
  readonly identification: number;
  /** The half word with the flags and the fragment offset, as in the header. */
  readonly fragment: number;
  readonly timeToLive: number;
  readonly protocol: number;
  readonly source: number;
  readonly destination: number;
}

/**
 * Length in bytes of the header at `at`, including options; 0 if header and total length do not describe a complete
 * packet before `end`.
 */
export const ipv4HeaderLength = (bytes: Uint8Array, at: number, end: number): number => {
  if (end - at < IPV4_BYTES) return 0;
  const first = bytes[at + VERSION_AND_LENGTH]!;
  const length = (first & 0xf) << 2;
  if (first >>> 4 !== 4 || length < IPV4_BYTES) return 0;
  const total = get16(bytes, at + TOTAL_LENGTH);
  return total < length || total > end - at ? 0 : length;
};

/** Parses the header at `at`; undefined if the packet is incomplete. The checksum is not checked. */
export const parseIpv4 = (bytes: Uint8Array, at: number, end: number): Ipv4 | undefined => {
  const headerLength = ipv4HeaderLength(bytes, at, end);
  if (headerLength === 0) return undefined;
  return {
    headerLength,
    totalLength: get16(bytes, at + TOTAL_LENGTH),
    identification: get16(bytes, at + IDENTIFICATION),
    fragment: get16(bytes, at + FRAGMENT),
    timeToLive: bytes[at + TIME_TO_LIVE]!,
    protocol: bytes[at + PROTOCOL]!,
    source: get32(bytes, at + SOURCE),
    destination: get32(bytes, at + DESTINATION),
  };
};

/** Writes a header without options and with checksum field 0 (see `fill.ts`); returns the offset of its end. */
export const buildIpv4 = (bytes: Uint8Array, at: number, header: Omit<Ipv4, "headerLength">): number => {
  bytes[at + VERSION_AND_LENGTH] = 0x45;
  bytes[at + 1] = 0;
  put16(bytes, at + TOTAL_LENGTH, header.totalLength);
  put16(bytes, at + IDENTIFICATION, header.identification);
  put16(bytes, at + FRAGMENT, header.fragment);
  bytes[at + TIME_TO_LIVE] = header.timeToLive;
  bytes[at + PROTOCOL] = header.protocol;
  put16(bytes, at + CHECKSUM, 0);
  put32(bytes, at + SOURCE, header.source);
  put32(bytes, at + DESTINATION, header.destination);
  return at + IPV4_BYTES;
};

/** Reads `192.0.2.1`; undefined for anything else. */
export const parseIpv4Address = (text: string): number | undefined => {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) return undefined;
  return parts.reduce((address, part) => address * 256 + part, 0);
};

export const formatIpv4Address = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 0xff}.${(address >>> 8) & 0xff}.${address & 0xff}`;
