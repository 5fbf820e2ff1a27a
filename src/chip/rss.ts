/**
 * Bits of RSS_CTRL and Q_NUM_CTRL, the registers of receive side scaling.
 *
 * Source: DPDK `drivers/net/r8169`, r8169_ethdev.h and r8169_hw.c.
 */
import { bits } from "#kit/mmio.ts";

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
  /** Any of the above. */
  any: Object.values(hash).reduce((all, bit) => all | bit, 0),
  /** RSS_CTRL: log2 of the number of indirection table entries in use. */
  maskShift: 8,
  maskMask: 7,
  /** RSS_CTRL: log2 of the number of queues; Q_NUM_CTRL has the same number. */
  cpusShift: 16,
});

/** Q_NUM_CTRL: log2 of the number of receive queues. */
export const QueueCount = bits("QueueCount", { shift: 2, mask: 7 });

/** Bytes of the key; entries of the table, one byte each. */
export const RSS_KEY_BYTES = 40;
export const RSS_ENTRIES = 128;

/** Bits 11:10 of this register of the MAC controller hold log2 of the number of transmit queues. */
export const TransmitQueues = { macOcp: 0xe63e, shift: 10, mask: 3 } as const;
