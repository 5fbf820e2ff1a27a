/**
 * ICMP (RFC 792) and ICMPv6 (RFC 4443): echo, and the part of neighbour discovery by which other hosts find this one
 * (RFC 4861).
 */
import { get16, put16 } from "./bigendian.ts";

export const TYPE = 0;
export const CODE = 1;
export const CHECKSUM = 2;
export const IDENTIFIER = 4;
export const SEQUENCE = 6;
export const ICMP_BYTES = 8;

export const IcmpType = { echoReply: 0, echoRequest: 8 } as const;
export const Icmpv6Type = {
  echoRequest: 128,
  echoReply: 129,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
} as const;

/** Offsets of the flags, the target address and the options in neighbour solicitations and advertisements. */
export const NEIGHBOUR_FLAGS = 4;
export const NEIGHBOUR_TARGET = 8;
export const NEIGHBOUR_OPTIONS = 24;
export const NEIGHBOUR_BYTES = 24;
export const NeighbourFlag = { solicited: 0x40, override: 0x20 } as const;
/** First two bytes of the option "target link-layer address": the type, and the length in units of 8 bytes. */
export const TARGET_ADDRESS_OPTION = 0x0201;
export const ADDRESS_OPTION_BYTES = 8;

export interface Echo {
  /** One of `IcmpType` or `Icmpv6Type`. */
  readonly type: number;
  readonly identifier: number;
  readonly sequence: number;
}

/** Parses the echo message at `at`; undefined if it is incomplete. The checksum is not checked. */
export const parseEcho = (bytes: Uint8Array, at: number, end: number): Echo | undefined =>
  end - at < ICMP_BYTES
    ? undefined
    : {
        type: bytes[at + TYPE]!,
        identifier: get16(bytes, at + IDENTIFIER),
        sequence: get16(bytes, at + SEQUENCE),
      };

/** Writes the header with checksum field 0; returns the offset of the data. */
export const buildEcho = (bytes: Uint8Array, at: number, echo: Echo): number => {
  bytes[at + TYPE] = echo.type;
  bytes[at + CODE] = 0;
  put16(bytes, at + CHECKSUM, 0);
  put16(bytes, at + IDENTIFIER, echo.identifier);
  put16(bytes, at + SEQUENCE, echo.sequence);
  return at + ICMP_BYTES;
};
