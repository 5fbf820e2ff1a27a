/** Ethernet II headers, without preamble and frame check sequence. */
import { get16, put16 } from "./bigendian.ts";
import { isVlan, MAX_TAGS, TAG_BYTES } from "./vlan.ts";

export const DESTINATION = 0;
export const SOURCE = 6;
export const TYPE = 12;
export const ETHERNET_BYTES = 14;
/** Length in bytes of the shortest frame on the wire, without FCS. */
export const MIN_FRAME = 60;

export const EtherType = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, serviceVlan: 0x88a8 } as const;

export interface Ethernet {
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  /** EtherType. A value below 0x600 is a length, and the frame is not Ethernet II. */
  readonly type: number;
}

/** Parses the header of the frame at `at`; undefined if fewer than 14 bytes precede `end`. */
export const parseEthernet = (bytes: Uint8Array, at: number, end: number): Ethernet | undefined =>
  end - at < ETHERNET_BYTES
    ? undefined
    : {
        destination: bytes.slice(at + DESTINATION, at + SOURCE),
        source: bytes.slice(at + SOURCE, at + TYPE),
        type: get16(bytes, at + TYPE),
      };

/** Writes the header; returns the offset of its end. */
export const buildEthernet = (bytes: Uint8Array, at: number, header: Ethernet): number => {
  bytes.set(header.destination, at + DESTINATION);
  bytes.set(header.source, at + SOURCE);
  put16(bytes, at + TYPE, header.type);
  return at + ETHERNET_BYTES;
};

/**
 * Offset of the network header from the start of the frame, after up to two VLAN tags; -1 if the frame is too short.
 * The EtherType is in the two bytes before that offset.
 */
export const networkOffset = (bytes: Uint8Array, frame: number, length: number): number => {
  if (length < ETHERNET_BYTES) return -1;
  let network = ETHERNET_BYTES;
  for (let tags = 0; tags < MAX_TAGS && isVlan(get16(bytes, frame + network - 2)); tags++) {
    network += TAG_BYTES;
    if (length < network) return -1;
  }
  return network;
};
