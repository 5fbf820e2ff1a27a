/** UDP headers (RFC 768). */
import { get16, put16 } from "./bigendian.ts";

export const SOURCE_PORT = 0;
export const DESTINATION_PORT = 2;
export const LENGTH = 4;
export const CHECKSUM = 6;
export const UDP_BYTES = 8;

export interface Udp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Length of header and payload in bytes. */
  readonly length: number;
}

/** Length in bytes of the datagram at `at` with its header, or 0 if it is too short or ends after `end`. */
export const udpLength = (bytes: Uint8Array, at: number, end: number): number => {
  if (end - at < UDP_BYTES) return 0;
  const length = get16(bytes, at + LENGTH);
  return length < UDP_BYTES || length > end - at ? 0 : length;
};

/** Parses the header at `at`; undefined if the datagram is incomplete. The checksum is not checked. */
export const parseUdp = (bytes: Uint8Array, at: number, end: number): Udp | undefined => {
  const length = udpLength(bytes, at, end);
  if (length === 0) return undefined;
  return {
    sourcePort: get16(bytes, at + SOURCE_PORT),
    destinationPort: get16(bytes, at + DESTINATION_PORT),
    length,
  };
};

/** Writes the header with checksum field 0 (see `fill.ts`); returns the offset of the payload. */
export const buildUdp = (bytes: Uint8Array, at: number, header: Udp): number => {
  put16(bytes, at + SOURCE_PORT, header.sourcePort);
  put16(bytes, at + DESTINATION_PORT, header.destinationPort);
  put16(bytes, at + LENGTH, header.length);
  put16(bytes, at + CHECKSUM, 0);
  return at + UDP_BYTES;
};
