/**
 * Bits of RSS_CTRL and Q_NUM_CTRL, the registers of receive side scaling. The RTL8168H has most of these registers
 * among its extended registers.
 *
 * Sources: DPDK `drivers/net/r8169`, r8169_ethdev.h and r8169_hw.c; for the RTL8168H, Realtek's own driver for Linux
 * (r8168_rss.c).
 */
import { bits } from "#kit/mmio.ts";
import type { Word } from "./steps.ts";

const hash = {
  tcpIpv4: 1 << 0,
  ipv4: 1 << 1,
  tcpIpv6: 1 << 2,
  ipv6: 1 << 3,
  ipv6Extended: 1 << 4,
  tcpIpv6Extended: 1 << 5,
  udpIpv4: 1 << 11,
  udpIpv6: 1 << 12,
  udpIpv6Extended: 1 << 13,
} as const;

export const RssControl = bits("RssControl", {
  ...hash,
  /** All of the bits above. */
  any: Object.values(hash).reduce((all, bit) => all | bit, 0),
  /** RSS_CTRL: log2 of the number of indirection table entries in use. */
  maskShift: 8,
  maskMask: 7,
  /** RSS_CTRL: log2 of the number of queues; Q_NUM_CTRL has the same number. */
  cpusShift: 16,
});

/** Q_NUM_CTRL: log2 of the number of receive queues. */
export const QueueCount = bits("QueueCount", { shift: 2, mask: 7 });

/** Length of the hash key in bytes, and number of entries of the indirection table, which have one byte each. */
export const RSS_KEY_BYTES = 40;
export const RSS_ENTRIES = 128;

/** Bits 11:10 of this register of the MAC controller hold log2 of the number of transmit queues. */
export const TransmitQueues = { macOcp: 0xe63e, shift: 10, mask: 3 } as const;

/**
 * RTL8168H: addresses of extended registers with the key, the bits of RSS_CTRL (without those for UDP), and the bits of
 * Q_NUM_CTRL. The table is in the window (`RSS_TABLE`): four words with bit 0 of each entry's queue number, then four
 * words with bit 1.
 */
export const ExtendedRss = {
  key: 0x90,
  control: 0xb8,
  queues: 0xc0,
  hashes: hash.tcpIpv4 | hash.ipv4 | hash.tcpIpv6 | hash.ipv6 | hash.ipv6Extended | hash.tcpIpv6Extended,
  /** Control register: four queues are in use. While this bit is clear, bit 1 of the table's entries is not used. */
  four: 1 << 16,
} as const;

/**
 * RTL8168H: two words for each of the queues 1 to 15, which Realtek's own driver for Linux writes at every start and
 * calls their VLAN filter. The driver writes no other values, and their meaning is not public.
 */
export const QUEUE_VLAN_FILTERS: readonly Word[] = Array.from({ length: 15 }, (_, i): readonly Word[] => [
  [0xf8 + 8 * i, 0xffff_0000],
  [0xfc + 8 * i, 0xffff_ffff],
]).flat();
