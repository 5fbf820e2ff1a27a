/**
 * Receive descriptors that report a hash. The RTL8125 and later support them in addition to the classic ones.
 *
 * Source: DPDK `drivers/net/r8169`, r8169_ethdev.h (rtl_rx_descv3, rtl_rx_descv4), r8169_compat.h and r8169_rxtx.c
 * (bits). All these chips support format 3, and OpenBSD's rge(4) uses it on all of them; DPDK uses format 4 on chips
 * after the 8125A and 8125B. The sources do not name the bits for unicast, multicast and broadcast, nor format 4's
 * watchdog bit; they are assumed to have moved with the adjacent bits.
 */

/** Format 3: 32 bytes, enabled by RxConfig bit 24. `V3Word` has the index of each word. */
export const V3_BYTES = 32;
export const V3Word = { hash: 2, header: 3, address: 4, opts2: 6, opts1: 7 } as const;
/** Bits of opts1. */
export const RxV3 = {
  /** Type of the descriptor: 0 for a frame. */
  kind: 0xf << 26,
  firstSegment: 1 << 25,
  lastSegment: 1 << 24,
  multicast: 1 << 23,
  physical: 1 << 22,
  broadcast: 1 << 21,
  errorSummary: 1 << 20,
  runt: 1 << 19,
  watchdog: 1 << 18,
  crcError: 1 << 17,
} as const;
/**
 * Descriptor types in `RxV3.kind`: `followed` is a frame whose timestamp is in the next descriptor, `stamp` is the
 * descriptor with the timestamp. The timestamp is in the words of the address and in the lower half of opts2. Source:
 * Realtek's own driver for Linux.
 */
export const StampV3 = {
  followed: 1 << 26,
  stamp: 2 << 26,
  nanoseconds: V3Word.address,
  seconds: V3Word.address + 1,
  secondsHigh: V3Word.opts2,
} as const;
/** Bits of opts2, besides the VLAN tag and the bits of `RxV2`. */
export const RxV3Verdict = {
  protocolUdp: 1 << 29,
  protocolTcp: 1 << 28,
  ipChecksumFailed: 1 << 26,
  udpChecksumFailed: 1 << 25,
  tcpChecksumFailed: 1 << 24,
} as const;

/** Format 4, 16 bytes, enabled by bit 1 of `RxFormat`. The chip overwrites the address with the hash and its type. */
export const V4_BYTES = 16;
export const V4Word = { address: 0, header: 0, hash: 1, opts2: 2, opts1: 3 } as const;
/**
 * Bits of opts1. The bits for unicast, multicast and broadcast are not listed here, because they are the same as in
 * classic descriptors.
 */
export const RxV4 = {
  watchdog: 1 << 23,
  errorSummary: 1 << 22,
  runt: 1 << 21,
  crcError: 1 << 20,
  protocolUdp: 1 << 19,
  protocolTcp: 1 << 18,
  ipChecksumFailed: 1 << 17,
  udpChecksumFailed: 1 << 16,
  tcpChecksumFailed: 1 << 15,
} as const;

/**
 * What was hashed. Format 3 has these bits in the upper half of its header word, format 4 from bit 27 on. Source:
 * Realtek's own driver for Linux, as far as that driver reads them.
 */
export const HashedV3 = { udp: 1 << 25, ipv4: 1 << 26, ipv6: 1 << 28, tcp: 1 << 29 } as const;
export const HashedV4 = { udp: 1 << 27, ipv4: 1 << 28, ipv6: 1 << 29, tcp: 1 << 30 } as const;

/**
 * While bit `wide` of this MAC-OCP register is set, transmit descriptors have 32 bytes, of which the upper half is
 * unused.
 */
export const TxStride = { macOcp: 0xeb58, wide: 1 << 0 } as const;
export const WIDE_BYTES = 32;
