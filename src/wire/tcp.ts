/** TCP headers (RFC 9293). */
import { get16, get32, put16, put32 } from "./bigendian.ts";

export const SOURCE_PORT = 0;
export const DESTINATION_PORT = 2;
export const SEQUENCE = 4;
export const ACKNOWLEDGEMENT = 8;
export const DATA_OFFSET = 12;
export const FLAGS = 13;
export const WINDOW = 14;
export const CHECKSUM = 16;
export const URGENT = 18;
/** Length in bytes of a header without options. */
export const TCP_BYTES = 20;

export const TcpFlag = {
  fin: 1 << 0,
  syn: 1 << 1,
  rst: 1 << 2,
  psh: 1 << 3,
  ack: 1 << 4,
  urg: 1 << 5,
  ece: 1 << 6,
  cwr: 1 << 7,
} as const;

export interface Tcp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  /** Length in bytes of the header, including options. */
  readonly headerLength: number;
  readonly flags: number;
  readonly window: number;
}

/** Length in bytes of the header at `at`, including options, or 0 if it is too short or ends after `end`. */
export const tcpHeaderLength = (bytes: Uint8Array, at: number, end: number): number => {
  if (end - at < TCP_BYTES) return 0;
  const length = (bytes[at + DATA_OFFSET]! >>> 4) << 2;
  return length < TCP_BYTES || length > end - at ? 0 : length;
};

/** Parses the header at `at`; undefined if it is incomplete. The checksum is not checked. */
export const parseTcp = (bytes: Uint8Array, at: number, end: number): Tcp | undefined => {
  const headerLength = tcpHeaderLength(bytes, at, end);
  if (headerLength === 0) return undefined;
  return {
    sourcePort: get16(bytes, at + SOURCE_PORT),
    destinationPort: get16(bytes, at + DESTINATION_PORT),
    sequence: get32(bytes, at + SEQUENCE),
    acknowledgement: get32(bytes, at + ACKNOWLEDGEMENT),
    headerLength,
    flags: bytes[at + FLAGS]!,
    window: get16(bytes, at + WINDOW),
  };
};

/**
 * Writes the header with checksum field 0 (see `fill.ts`); options are NOPs, as many as `headerLength` has room for.
 * Returns the offset of the payload.
 */
export const buildTcp = (bytes: Uint8Array, at: number, header: Tcp): number => {
  put16(bytes, at + SOURCE_PORT, header.sourcePort);
  put16(bytes, at + DESTINATION_PORT, header.destinationPort);
  put32(bytes, at + SEQUENCE, header.sequence);
  put32(bytes, at + ACKNOWLEDGEMENT, header.acknowledgement);
  bytes[at + DATA_OFFSET] = (header.headerLength >>> 2) << 4;
  bytes[at + FLAGS] = header.flags;
  put16(bytes, at + WINDOW, header.window);
  put16(bytes, at + CHECKSUM, 0);
  put16(bytes, at + URGENT, 0);
  bytes.fill(1, at + TCP_BYTES, at + header.headerLength);
  return at + header.headerLength;
};
