/** Address resolution for IPv4 over Ethernet (RFC 826). */
import { get16, get32, put16, put32 } from "./bigendian.ts";

export const HARDWARE = 0;
export const PROTOCOL = 2;
export const SIZES = 4;
export const OPERATION = 6;
export const SENDER_MAC = 8;
export const SENDER_IP = 14;
export const TARGET_MAC = 18;
export const TARGET_IP = 24;
export const ARP_BYTES = 28;

export const ArpOperation = { request: 1, reply: 2 } as const;

const ETHERNET = 1;
const IPV4 = 0x0800;
const SIX_AND_FOUR = 0x0604;

export interface Arp {
  readonly operation: number;
  readonly senderMac: Uint8Array;
  readonly senderIp: number;
  readonly targetMac: Uint8Array;
  readonly targetIp: number;
}

/** Whether there is a complete ARP message for IPv4 over Ethernet between `at` and `end`. */
export const isArp = (bytes: Uint8Array, at: number, end: number): boolean =>
  end - at >= ARP_BYTES &&
  get16(bytes, at + HARDWARE) === ETHERNET &&
  get16(bytes, at + PROTOCOL) === IPV4 &&
  get16(bytes, at + SIZES) === SIX_AND_FOUR;

/** Parses the ARP message at `at`; undefined if it is incomplete or not for IPv4 over Ethernet. */
export const parseArp = (bytes: Uint8Array, at: number, end: number): Arp | undefined =>
  isArp(bytes, at, end)
    ? {
        operation: get16(bytes, at + OPERATION),
        senderMac: bytes.slice(at + SENDER_MAC, at + SENDER_IP),
        senderIp: get32(bytes, at + SENDER_IP),
        targetMac: bytes.slice(at + TARGET_MAC, at + TARGET_IP),
        targetIp: get32(bytes, at + TARGET_IP),
      }
    : undefined;

/** Writes the message; returns the offset of its end. */
export const buildArp = (bytes: Uint8Array, at: number, arp: Arp): number => {
  put16(bytes, at + HARDWARE, ETHERNET);
  put16(bytes, at + PROTOCOL, IPV4);
  put16(bytes, at + SIZES, SIX_AND_FOUR);
  put16(bytes, at + OPERATION, arp.operation);
  bytes.set(arp.senderMac, at + SENDER_MAC);
  put32(bytes, at + SENDER_IP, arp.senderIp);
  bytes.set(arp.targetMac, at + TARGET_MAC);
  put32(bytes, at + TARGET_IP, arp.targetIp);
  return at + ARP_BYTES;
};
