/**
 * Registers in which the RTL8139C+ differs from its successors: memory-mapped PHY registers, doorbell, configuration.
 *
 * Sources: RTL8139C+ datasheet, register table; FreeBSD `sys/dev/rl/if_rlreg.h` (RL_8139_*, RL_TXSTART, RL_MEDIASTAT).
 */
import { bits, ro16, ro8, rw16, rw32, rw8, wo8 } from "#kit/mmio.ts";

/** Timer interrupt threshold. */
export const TimerInt8139 = rw32(0x54);

/** The link status in the MAC. */
export const MSR = ro8(0x58, "Msr");
export const Msr = bits("Msr", {
  transmitFlow: 1 << 7,
  receiveFlow: 1 << 6,
  speed10: 1 << 3,
  /** Inverted: set while there is no link. */
  linkDown: 1 << 2,
});

/**
 * Configuration, loaded from EEPROM. Config3 and Config4 are writable only while configuration is unlocked, Config5
 * always.
 */
export const Config3_8139 = rw8(0x59);
export const Config4_8139 = rw8(0x5a);
export const Config5_8139 = rw8(0xd8);

/** Enables early receive interrupts for several packets (datasheet: multiple interrupt select). */
export const MULINT_8139 = rw16(0x5c);

/** The PHY's clause 22 registers. The first is writable only while configuration is unlocked. */
export const BMCR_8139 = rw16(0x62);
export const BMSR_8139 = ro16(0x64);
export const ANAR_8139 = rw16(0x66);
export const ANLPAR_8139 = ro16(0x68);
export const ANER_8139 = ro16(0x6a);

/** Transmit priority polling: the doorbell, with the bits of `Poll`. */
export const TxPoll8139 = wo8(0xd9, "Poll");

/**
 * Bits of the C+ command register that only this chip has. Until they are set, the chip works as an RTL8139C, without
 * descriptors.
 */
export const CPlus8139 = bits("CPlus", { receiveEnable: 1 << 1, transmitEnable: 1 << 0 });

/**
 * RxConfig: FIFO fill level at which the chip starts to write a frame to memory. With all ones, the chip starts when
 * the frame is complete.
 */
export const RxConf8139 = bits("RxConf", { wholeFrames: 7 << 13 });

/** FIFO fill level at which transmission begins, in bits 5:0, in units of 32 bytes. */
export const EarlyTxThreshold = rw8(0xec);
