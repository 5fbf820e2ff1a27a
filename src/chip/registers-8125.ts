/**
 * Registers that only RTL8125, 8126, 8127 and 9151 have, in a window of 64 KiB: 32-bit and vectored interrupts, several
 * queues, receive side scaling.
 *
 * Source: DPDK `drivers/net/r8169/r8169_compat.h`, for the names, and DPDK's use of each register (BSD-3-Clause,
 * Realtek). Registers without a name in any source are named by their offset.
 */
import { bits, half32, ro16, ro32, rw16, rw32, rw8, w1c16, w1c32, w1c8, wo16 } from "#kit/mmio.ts";

const run8 = (from: number, count: number, step: number) =>
  Array.from({ length: count }, (_, i) => rw8(from + step * i));
const run16 = (from: number, count: number, step = 2) => Array.from({ length: count }, (_, i) => rw16(from + step * i));
const run32 = (from: number, count: number, step = 4) => Array.from({ length: count }, (_, i) => rw32(from + step * i));
const bases = (from: number, count: number) => Array.from({ length: count }, (_, i) => half32(from + 4 * i));

/** LEDs 0 to 3. */
export const LEDSEL0 = rw16(0x18, "LedSelect");
export const LEDSEL1 = rw16(0x86, "LedSelect");
export const LEDSEL2 = rw16(0x84, "LedSelect");
export const LEDSEL3 = rw16(0x96, "LedSelect");
export const LedSelect = bits("LedSelect", {
  link10: 1 << 0,
  link100: 1 << 1,
  link1000: 1 << 3,
  link2500: 1 << 5,
  activity: 1 << 9,
});

/** Three more free-running timers, in addition to TimerCount, and their interrupt thresholds. */
export const TCTR1 = rw32(0x4c);
export const TCTR2 = rw32(0x88);
export const TCTR3 = rw32(0x1c);
export const TIMER_INT1 = rw32(0x5c);
export const TIMER_INT2 = rw32(0x8c);
export const TIMER_INT3 = rw32(0xf4);

/** Interrupt mode: vectored or not, moderated or not. */
export const INT_CFG0 = rw8(0x34, "IntCfg0");
export const INT_CFG1 = rw16(0x7a);
export const IntCfg0 = bits("IntCfg0", {
  enable: 1 << 0,
  timeoutBypass: 1 << 1,
  mitigationBypass: 1 << 2,
  /** 8125CP, 8126 and 8127: allow the reference clock to be switched off (CLKREQ#). */
  clockRequest: 1 << 3,
  unavailableBypass: 1 << 4,
  msixEntryMode: 1 << 5,
});

/**
 * Interrupt mask and status of vector 0, or of the whole chip if interrupts are not vectored. The bits are those of
 * `Intr`.
 */
export const IMR0 = rw32(0x38, "Intr");
export const ISR0 = w1c32(0x3c, "Intr");
/** Mask and status of vectors 1 to 3 (8125A and 8125B). */
export const IMR1 = rw16(0x800, "Intr");
export const ISR1 = w1c16(0x802, "Intr");
export const IMR2 = rw16(0x804, "Intr");
export const ISR2 = w1c16(0x806, "Intr");
export const IMR3 = rw16(0x808, "Intr");
export const ISR3 = w1c16(0x80a, "Intr");
/** The lower bytes of ISR1 to ISR3, which DPDK clears separately. */
export const ISR1_0 = rw8(0x802);
export const ISR2_0 = rw8(0x806);
export const ISR3_0 = rw8(0x80a);
/**
 * Interrupt moderation of each vector, 8 bytes apart. Linux clears these registers as 32-bit words; the vendor's driver
 * writes bytes.
 */
export const INT_MITI = run32(0xa00, 64);
export const INT_MITI_RX = run8(0xa00, 32, 8);
export const INT_MITI_TX = run8(0xa02, 32, 8);
/** A status word for 32 vectors (8125B and later), and masks that are set and cleared bit by bit. */
export const IMR_V2_CLEAR = rw32(0xd00);
export const ISR_V2 = w1c32(0xd04);
export const TDU_STA = w1c16(0xd08);
export const RDU_STA = w1c16(0xd0a);
export const IMR_V2_SET = rw32(0xd0c);
/**
 * A second status word with masks to set and to clear (8125BP and later, except 8126), for events other than frames.
 */
export const IMR_V4_L2_CLEAR = rw32(0xd10);
export const ISR_V4_L2 = w1c32(0xd14);
export const IMR_V4_L2_SET = rw32(0xd18);

/** The doorbell: a bit for each transmit queue. */
export const TPPOLL = wo16(0x90);

/** PHYstatus for speeds above a gigabit. */
export const PHYstatus16 = ro16(0x6c, "PhyStatus");
export const PhyStatus16 = bits("PhyStatus", {
  speed10000: 1 << 14,
  speed10000Lite: 1 << 13,
  speed5000: 1 << 12,
  speed5000Lite: 1 << 11,
  speed2500: 1 << 10,
  speed2500Lite: 1 << 9,
});

/**
 * Bits that show after a stop request that the FIFOs are empty: transmit, receive and the bus side (8125B and later).
 */
export const FifoStatus = ro16(0xe2, "Fifo");
export const Fifo = bits("Fifo", { empty: 0x0103 });

/** Receive: drop frames with a bad FCS (bit 0), descriptors of format 4 (bit 1). */
export const RxFormat = rw8(0xd8, "ReceiveFormat");
export const ReceiveFormat = bits("ReceiveFormat", { dropBadFcs: 1 << 0, format4: 1 << 1 });
/** RxConfig's bits on these chips. */
export const RxConf8125 = bits("RxConf", {
  /** Descriptors per fetch; DPDK uses 20 on the 8126 and 12 on the 8127. */
  fetch: 0x1f << 27,
  /** Selects format 3; on the 8168H, format 2. */
  descriptorsV3: 1 << 24,
  stripOuterTag: 1 << 23,
  stripInnerTag: 1 << 22,
  closeMultiple: 1 << 21,
  singleFetch: 1 << 14,
  pauseSlot: 1 << 11,
});

/**
 * A constant of DPDK, which uses it only as the number of a PCIe PHY register: register 0x7e of the 8127, which selects
 * the page. No source says whether the window has a register at this offset.
 */
export const EPHYAR_EXT_ADDR = rw16(0xffe);
export const DOUBLE_VLAN_CONFIG = rw16(0x1000);

/** The factory's station address. */
export const BACKUP_ADDR0 = rw32(0x19e0);
export const BACKUP_ADDR1 = rw16(0x19e4);

/** Several transmit queues: control, ring bases of queues 1 to 7 (low and high half), idle credits of the first two. */
export const TX_NEW_CTRL = rw16(0x203e);
export const TNPDS_Q1 = bases(0x2100, 14);
export const PLA_TXQ_IDLE_CREDIT = run32(0x2500, 2);
/**
 * Pointers of queues 0 and 1: how far software has filled the ring, and how far the chip has emptied it (8125A and
 * 8125B).
 */
export const SW_TAIL_PTR = run16(0x2800, 2, 4);
export const HW_CLO_PTR = [ro16(0x2802), ro16(0x2806)] as const;
/** Both pointers in one word (8126): a write sets the software pointer, a read returns the hardware pointer. */
export const TX_PTR_V4 = run32(0x2800, 2);
/** The software and the hardware pointer of each queue, each in its own word (8125BP, 8125CP, 8125D, 9151 and 8127). */
export const SW_TAIL_PTR_V6 = run32(0xd30, 8, 8);
export const HW_CLO_PTR_V6 = Array.from({ length: 8 }, (_, i) => ro32(0xd34 + 8 * i));

/** Bases of the rings of receive queues 1 to 15, low and high half. */
export const RDSAR_Q = bases(0x4000, 30);
/** Receive side scaling: what is hashed and the table size; the key; the queue for each hash. */
export const RSS_CTRL = rw32(0x4500, "RssControl");
/** The lowest byte of RSS_CTRL, which Linux clears separately. */
export const RSS_CTRL_0 = rw8(0x4500);
export const RSS_KEY = run32(0x4600, 10);
export const RSS_INDIRECTION_TBL = run32(0x4700, 32);
/** The number of receive queues. */
export const Q_NUM_CTRL = rw16(0x4800, "QueueCount");

export const EEE_TXIDLE_TIMER = rw16(0x6048);
/** Identifies the chips with XID 7C8. */
export const TxConfigV2 = ro32(0x60b0);

/** The PTP clock (8125B): see `ptp.ts`. The time is nanoseconds, then seconds in two words. */
export const PTP_CTRL = rw16(0x6800, "PtpControl");
export const PTP_ISR = w1c8(0x6804, "PtpEvent");
export const PTP_IMR = rw8(0x6805, "PtpEvent");
export const PTP_TIME_CORRECT_CMD = rw16(0x6806, "PtpCommand");
export const PTP_TIME_NS = rw32(0x6808);
export const PTP_TIME_S = rw32(0x680c);
export const PTP_TIME_S_HIGH = rw16(0x6810);
/** Bits 11:10: the place of the next timestamp of a sent message. */
export const At2032 = ro16(0x2032);

/** Drivers write these registers at start. What most of them do is not public. */
export const At0382 = rw16(0x382);
export const RADMFIFO_PROTECT = rw16(0x402);
export const RADMFIFO_PROTECT_0 = rw8(0x402);
export const At1880 = rw16(0x1880);
export const At20e4 = rw8(0x20e4);
/**
 * SerDes of the fibre version (8127): indirect access, the word that sets the speed, a related word, and the reset.
 * Source: DPDK `r8169_fiber.c`, which names only the four registers for indirect access.
 */
export const SDS_CMD = rw16(0x2348, "SerdesCommand");
export const SerdesCommand = bits("SerdesCommand", { go: 1 << 0, write: 1 << 1 });
export const SDS_ADDR = rw16(0x234a);
export const SDS_DATA_IN = rw16(0x234c);
export const SDS_DATA_OUT = ro16(0x234e);
export const At233a = rw16(0x233a, "Serdes");
export const At233e = rw16(0x233e);
export const At2350 = rw8(0x2350, "Serdes");
/** The bit of register 0x2350 that enables the SerDes, and the values of register 0x233a for each speed. */
export const Serdes = bits("Serdes", { run: 1 << 0, mode1000: 0x8004, mode10000: 0x801a });
