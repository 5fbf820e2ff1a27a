/** IPv6 headers (RFC 8200). Addresses are 16 bytes. */
import { get16, put16 } from "./bigendian.ts";

export const PAYLOAD_LENGTH = 4;
export const NEXT_HEADER = 6;
export const HOP_LIMIT = 7;
export const SOURCE = 8;
export const DESTINATION = 24;
export const IPV6_BYTES = 40;
export const ADDRESS_BYTES = 16;

/** Headers that may be between the IPv6 header and the transport header. */
export const Extension = { hopByHop: 0, routing: 43, fragment: 44, authentication: 51, destination: 60 } as const;
/** Largest number of extension headers that are skipped. */
export const MAX_EXTENSIONS = 8;

export interface Ipv6 {
  /** Number of bytes after the header. */
  readonly payloadLength: number;
  readonly nextHeader: number;
  readonly hopLimit: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

/** Whether an IPv6 packet starts at `at` and is complete before `end`. */
export const isIpv6 = (bytes: Uint8Array, at: number, end: number): boolean =>
  end - at >= IPV6_BYTES && bytes[at]! >>> 4 === 6 && get16(bytes, at + PAYLOAD_LENGTH) <= end - at - IPV6_BYTES;

/** Parses the header at `at`; undefined if the packet is incomplete. */
export const parseIpv6 = (bytes: Uint8Array, at: number, end: number): Ipv6 | undefined =>
  isIpv6(bytes, at, end)
    ? {
        payloadLength: get16(bytes, at + PAYLOAD_LENGTH),
        nextHeader: bytes[at + NEXT_HEADER]!,
        hopLimit: bytes[at + HOP_LIMIT]!,
        source: bytes.slice(at + SOURCE, at + DESTINATION),
        destination: bytes.slice(at + DESTINATION, at + IPV6_BYTES),
      }
    : undefined;

/** Writes a header with traffic class and flow label 0; returns the offset of its end. */
export const buildIpv6 = (bytes: Uint8Array, at: number, header: Ipv6): number => {
  bytes.fill(0, at, at + PAYLOAD_LENGTH);
  bytes[at] = 0x60;
  put16(bytes, at + PAYLOAD_LENGTH, header.payloadLength);
  bytes[at + NEXT_HEADER] = header.nextHeader;
  bytes[at + HOP_LIMIT] = header.hopLimit;
  bytes.set(header.source, at + SOURCE);
  bytes.set(header.destination, at + DESTINATION);
  return at + IPV6_BYTES;
};

/**
 * Walks the extension headers from `at` to the end of the packet. Returns `256 * offset + protocol` of the first header
 * that is not skipped, or -1 if the chain is incomplete or has more than `MAX_EXTENSIONS` headers.
 *
 * A fragment header (unless the packet is its only fragment) and a routing header with segments left are not skipped:
 * the transport header after them may be incomplete, or its checksum includes a destination other than that in the IPv6
 * header.
 */
export const skipExtensions = (bytes: Uint8Array, at: number, end: number, nextHeader: number): number => {
  let protocol = nextHeader;
  let offset = at;
  for (let i = 0; i <= MAX_EXTENSIONS; i++) {
    if (!isExtension(protocol)) return offset * 256 + protocol;
    if (end - offset < 8) return -1;
    if (protocol === Extension.fragment && (get16(bytes, offset + 2) & 0xfff9) !== 0) return offset * 256 + protocol;
    if (protocol === Extension.routing && bytes[offset + 3] !== 0) return offset * 256 + protocol;
    const length = extensionLength(protocol, bytes[offset + 1]!);
    protocol = bytes[offset]!;
    offset += length;
    if (offset > end) return -1;
  }
  return -1;
};

const isExtension = (protocol: number): boolean =>
  protocol === Extension.hopByHop ||
  protocol === Extension.routing ||
  protocol === Extension.fragment ||
  protocol === Extension.authentication ||
  protocol === Extension.destination;

const extensionLength = (protocol: number, field: number): number =>
  protocol === Extension.fragment ? 8 : protocol === Extension.authentication ? (field + 2) * 4 : (field + 1) * 8;

/** The link-local address derived from a MAC address (RFC 4291, appendix A). */
export const linkLocal = (mac: Uint8Array): Uint8Array => {
  const address = new Uint8Array(ADDRESS_BYTES);
  address.set([0xfe, 0x80]);
  address.set([mac[0]! ^ 2, mac[1]!, mac[2]!, 0xff, 0xfe, mac[3]!, mac[4]!, mac[5]!], 8);
  return address;
};
