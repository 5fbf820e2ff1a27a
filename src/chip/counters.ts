/**
 * The tally counters. On DTCCR's dump command a chip writes them to memory, little-endian, at fixed offsets.
 *
 * Sources: FreeBSD `if_rlreg.h` (struct rl_stats) for the base block; DPDK `drivers/net/r8169` for the 8125's
 * extension.
 */

export interface Counter {
  readonly name: string;
  /** Offset in the dump, in bytes. */
  readonly offset: number;
  /** Width in bytes. The counter wraps when its value no longer fits. */
  readonly bytes: 2 | 4 | 8;
}

/** Alignment of the dump's address in bytes: DTCCR has the command in place of the address's low six bits. */
export const DUMP_ALIGN = 64;

/** Length in bytes of the block that every chip writes. */
export const DUMP_BYTES = 64;

// prettier-ignore
// oxfmt-ignore
export const COUNTERS = [
  { name: "txPackets",        offset: 0x00, bytes: 8 },
  { name: "rxPackets",        offset: 0x08, bytes: 8 },
  { name: "txErrors",         offset: 0x10, bytes: 8 },
  { name: "rxErrors",         offset: 0x18, bytes: 4 },
  { name: "rxMissed",         offset: 0x1c, bytes: 2 },
  { name: "alignErrors",      offset: 0x1e, bytes: 2 },
  { name: "txOneCollision",   offset: 0x20, bytes: 4 },
  { name: "txMultiCollision", offset: 0x24, bytes: 4 },
  { name: "rxUnicast",        offset: 0x28, bytes: 8 },
  { name: "rxBroadcast",      offset: 0x30, bytes: 8 },
  { name: "rxMulticast",      offset: 0x38, bytes: 4 },
  { name: "txAborted",        offset: 0x3c, bytes: 2 },
  { name: "txUnderrun",       offset: 0x3e, bytes: 2 },
] as const satisfies readonly Counter[];

/** The RTL8125 and later write the long dump while these bits of a register of the MAC controller are set. */
export const LongDump = { macOcp: 0xea84, on: 3 } as const;

/**
 * Length of the long dump in bytes. The buffer must always be this large: Linux allocated 64 bytes, and the chip wrote
 * past them (CVE-2024-49973).
 */
export const EXTENDED_DUMP_BYTES = 192;

// prettier-ignore
// oxfmt-ignore
export const EXTENDED_COUNTERS = [
  { name: "txOctets",         offset: 0x40, bytes: 8 },
  { name: "rxOctets",         offset: 0x48, bytes: 8 },
  { name: "rxMulticast64",    offset: 0x50, bytes: 8 },
  { name: "txUnicast64",      offset: 0x58, bytes: 8 },
  { name: "txBroadcast64",    offset: 0x60, bytes: 8 },
  { name: "txMulticast64",    offset: 0x68, bytes: 8 },
  { name: "txPauseOn",        offset: 0x70, bytes: 4 },
  { name: "txPauseOff",       offset: 0x74, bytes: 4 },
  { name: "txPauseAll",       offset: 0x78, bytes: 4 },
  { name: "txDeferred",       offset: 0x7c, bytes: 4 },
  { name: "txLateCollision",  offset: 0x80, bytes: 4 },
  { name: "txAllCollision",   offset: 0x84, bytes: 4 },
  { name: "txAborted32",      offset: 0x88, bytes: 4 },
  { name: "alignErrors32",    offset: 0x8c, bytes: 4 },
  { name: "rxFrameTooLong",   offset: 0x90, bytes: 4 },
  { name: "rxRunt",           offset: 0x94, bytes: 4 },
  { name: "rxPauseOn",        offset: 0x98, bytes: 4 },
  { name: "rxPauseOff",       offset: 0x9c, bytes: 4 },
  { name: "rxPauseAll",       offset: 0xa0, bytes: 4 },
  { name: "rxUnknownOpcode",  offset: 0xa4, bytes: 4 },
  { name: "rxMacError",       offset: 0xa8, bytes: 4 },
  { name: "txUnderrun32",     offset: 0xac, bytes: 4 },
  { name: "rxMacMissed",      offset: 0xb0, bytes: 4 },
  { name: "rxTcamDropped",    offset: 0xb4, bytes: 4 },
  { name: "txUnavailable",    offset: 0xb8, bytes: 4 },
  { name: "rxUnavailable",    offset: 0xbc, bytes: 4 },
] as const satisfies readonly Counter[];

export type CounterName = (typeof COUNTERS)[number]["name"];
export type ExtendedCounterName = (typeof EXTENDED_COUNTERS)[number]["name"];
