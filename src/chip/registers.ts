/**
 * The register map, in the order of the datasheet, and with the datasheet's names where it has any.
 *
 * Sources: RTL8169 and RTL8168C register tables; FreeBSD `sys/dev/rl/if_rlreg.h`; DPDK
 * `drivers/net/r8169/r8169_compat.h` (BSD-3-Clause, Realtek) for registers that came with the OCP generation.
 */
import { bits, high32, low32, ro32, ro8, rw16, rw32, rw8, w1c16, w1c8 } from "#kit/mmio.ts";

/** Station address, bytes 0 to 3 and 4 to 5. Write the high half first; Cfg9346 must be unlocked. */
export const IDR0 = rw32(0x00);
export const IDR4 = rw32(0x04);

/** Multicast hash filter, 64 bits. */
export const MAR0 = rw32(0x08);
export const MAR4 = rw32(0x0c);

/**
 * Dump tally counter command: address of the 64-byte aligned dump, and the command in the low bits of the address.
 * Write the high half first.
 */
export const DTCCR = low32(0x10, "Dtccr");
export const DTCCRHigh = high32(0x14);
export const Dtccr = bits("Dtccr", {
  /** Reset all counters; clears itself. */
  reset: 1 << 0,
  /** Write the counters to memory; clears itself. */
  dump: 1 << 3,
});

/**
 * What LEDs 0 to 2 show (link speeds, activity), in four bits for each LED; the blink rate; and the behaviour of the
 * LEDs in low-power idle.
 */
export const LED_CTRL = rw16(0x18);
export const LED_FREQ = rw8(0x1a);
export const EEE_LED = rw8(0x1b);

/** Transmit normal priority descriptors: ring base, 256-byte aligned. Write the high half first. */
export const TNPDS = low32(0x20);
export const TNPDSHigh = high32(0x24);
/** Transmit high priority descriptors. */
export const THPDS = low32(0x28);
export const THPDSHigh = high32(0x2c);

/** Boot ROM access. */
export const FLASH = rw32(0x30);
/** Early receive status. */
export const ERSR = ro8(0x36);
/** Command. */
export const ChipCmd = rw8(0x37, "Cmd");
export const Cmd = bits("Cmd", {
  /** Stop fetching descriptors; finish what is in flight. */
  stopRequest: 1 << 7,
  /** Software reset; clears itself when done. */
  reset: 1 << 4,
  receiveEnable: 1 << 3,
  transmitEnable: 1 << 2,
  /** Receive FIFO is empty (read only). */
  bufferEmpty: 1 << 0,
});

/**
 * Transmit priority polling: the doorbell. A read shows which rings are still being processed (FreeBSD if_re.c,
 * re_stop).
 */
export const TxPoll = rw8(0x38, "Poll");
export const Poll = bits("Poll", {
  highPriority: 1 << 7,
  normalPriority: 1 << 6,
  /** Forced software interrupt. */
  softwareInterrupt: 1 << 0,
});

/** Interrupt mask, and status. */
export const IntrMask = rw16(0x3c, "Intr");
export const IntrStatus = w1c16(0x3e, "Intr");
/** The lower half of IntrStatus, which small drivers such as U-Boot's poll and acknowledge. */
export const IntrStatus_0 = w1c8(0x3e);
export const Intr = bits("Intr", {
  systemError: 1 << 15,
  timer: 1 << 14,
  software: 1 << 8,
  transmitUnavailable: 1 << 7,
  receiveFifoOverflow: 1 << 6,
  linkChange: 1 << 5,
  receiveUnavailable: 1 << 4,
  transmitError: 1 << 3,
  transmitOk: 1 << 2,
  receiveError: 1 << 1,
  receiveOk: 1 << 0,
});

/** Transmit configuration, and the chip's identification in its upper half. */
export const TxConfig = rw32(0x40, "TxConf");
export const TxConf = bits("TxConf", {
  /** Chip identification: (value >>> 20) & 0xfcf. */
  xidShift: 20,
  xidMask: 0xfcf,
  interFrameGap: 3 << 24,
  loopback: 3 << 17,
  noCrc: 1 << 16,
  /** Transmit FIFO is empty (read only, 8168E-VL and later). */
  fifoEmpty: 1 << 11,
  dmaBurst: 7 << 8,
  /** The chip sizes its own transmit FIFO (8168E-VL and later). */
  autoFifo: 1 << 7,
  /** The chip counts completed descriptors instead of writing each one back (8125 and later). */
  countsClosed: 1 << 6,
});

/** Receive configuration. */
export const RxConfig = rw32(0x44, "RxConf");
export const RxConf = bits("RxConf", {
  /** Interrupt threshold of 128 bytes (PCI Express chips). */
  interrupt128: 1 << 15,
  /** Fetch several descriptors at once; from the 8168G on, the bit means the opposite (`RxConf8125.singleFetch`). */
  multipleFetch: 1 << 14,
  /** Write a frame to memory only when it is complete (8168G to 8117). */
  earlyOff: 1 << 11,
  dmaBurst: 7 << 8,
  acceptError: 1 << 5,
  acceptRunt: 1 << 4,
  acceptBroadcast: 1 << 3,
  acceptMulticast: 1 << 2,
  acceptPhysical: 1 << 1,
  acceptAll: 1 << 0,
  acceptMask: 0x3f,
});

/** Free-running timer; any write restarts it from zero. */
export const TimerCount = rw32(0x48);
/** Counter of frames missed for lack of descriptors (8169 only). */
export const MissedPackets = rw32(0x4c);

/** Configuration lock. */
export const Cfg9346 = rw8(0x50, "Lock");
export const Lock = bits("Lock", { unlock: 0xc0, lock: 0x00 });

/** Configuration, loaded from EEPROM; writable while unlocked. */
export const Config0 = rw8(0x51);
export const Config1 = rw8(0x52, "Conf1");
export const Config2 = rw8(0x53, "Conf2");
export const Config3 = rw8(0x54, "Conf3");
export const Config4 = rw8(0x55, "Conf4");
export const Config5 = rw8(0x56, "Conf5");
export const Conf1 = bits("Conf1", { powerManagement: 1 << 0, vpd: 1 << 1, speedDown: 1 << 4 });
export const Conf2 = bits("Conf2", { clockRequest: 1 << 7, pmeSignal: 1 << 5 });
export const Conf3 = bits("Conf3", {
  magicPacket: 1 << 5,
  linkUp: 1 << 4,
  jumbo0: 1 << 2,
  readyToL23: 1 << 1,
  beacon: 1 << 0,
});
export const Conf4 = bits("Conf4", { jumbo1: 1 << 1 });
export const Conf5 = bits("Conf5", {
  broadcastWake: 1 << 6,
  multicastWake: 1 << 5,
  unicastWake: 1 << 4,
  spiEnable: 1 << 3,
  lanWake: 1 << 1,
  aspm: 1 << 0,
});

/** Transmit descriptors per fetch. */
export const TDFNR = rw8(0x57);
/** Timer interrupt threshold: Intr.timer is raised when TimerCount reaches the threshold; 0 disables the interrupt. */
export const TimerInt = rw32(0x58);
/** Interrupt thresholds of additional timers, which no driver uses. */
export const TimerInt1 = rw32(0x5c);
/**
 * The lower half of TimerInt1. On PCI chips `MULINT` is at this offset; drivers that support both kinds of chips clear
 * these bits on all chips.
 */
export const TimerInt1_0 = rw16(0x5c);
export const TimerInt2 = rw32(0x8c);
export const TimerInt3 = rw32(0xf4);

/** MDIO access (chips before the OCP generation): flag, register 20:16, data 15:0. */
export const PHYAR = rw32(0x60);
/**
 * Access to PCI configuration space from inside the chip: a data register, then a command with flag, function 18:16,
 * byte enables 15:12, address 11:0.
 */
export const CSIDR = rw32(0x64);
export const CSIAR = rw32(0x68);

/** Link as the PHY reports it. */
export const PHYstatus = ro8(0x6c, "PhyStatus");
export const PhyStatus = bits("PhyStatus", {
  tbi: 1 << 7,
  transmitFlow: 1 << 6,
  receiveFlow: 1 << 5,
  speed1000: 1 << 4,
  speed100: 1 << 3,
  speed10: 1 << 2,
  linkUp: 1 << 1,
  fullDuplex: 1 << 0,
});

export const MACDBG = rw8(0x6d);
export const GPIO = rw8(0x6e);
/** Power management: what stays powered in D3. */
export const PMCH = rw8(0x6f, "Pmch");
export const Pmch = bits("Pmch", { d3coldKeepPll: 1 << 7, d3hotKeepPll: 1 << 6 });

/** Extended registers: a data register, then a command with flag, type 17:16, byte enables 15:12, address 11:0. */
export const ERIDR = rw32(0x70);
export const ERIAR = rw32(0x74);
export const Eri = { exgmac: 0, msix: 1, oob: 2 } as const;

/** Number of receive errors of the PCI Express PHY. */
export const EPHY_RXER_NUM = rw32(0x7c);
/** PCIe PHY: flag, register 22:16 (21:16 before the 8125), data 15:0. */
export const EPHYAR = rw32(0x80);

/**
 * Interrupts of additional receive queues. This project uses such queues on the RTL8168H and 8168M (`queues.ts`). The
 * vendor's driver masks and acknowledges the interrupts on every PCI Express chip before the RTL8125.
 */
export const IntrMask1 = rw8(0x84, "QueueIntr");
export const IntrMask2 = rw8(0x85, "QueueIntr");
export const IntrStatus1 = w1c8(0x86, "QueueIntr");
export const IntrStatus2 = w1c8(0x87, "QueueIntr");
export const IntrMask3 = rw8(0xc0, "QueueIntr");
export const IntrStatus3 = w1c8(0xc1, "QueueIntr");
export const QueueIntr = bits("QueueIntr", { receiveOk: 1 << 0, receiveUnavailable: 1 << 1 });
/** RTL8168H: the queue for each hash, see `ExtendedRss`. */
export const RSS_TABLE = Array.from({ length: 8 }, (_, i) => rw32(0x90 + 4 * i));

/**
 * The register at the offset where later chips have MACOCP. The vendor's driver also uses it on the 8168E-VL and 8168F;
 * no source says what it is.
 */
export const At00b0 = rw32(0xb0);
/** The 8168E's second copy of the station address. */
export const SecMAC0 = rw32(0xb4);
export const SecMAC4 = rw16(0xb8);
/** MAC registers of the OCP generation: write flag, address << 15, data. There is no flag for completion. */
export const MACOCP = rw32(0xb0);
/** PHY registers of the OCP generation: flag, address << 15, data. */
export const PHYOCP = rw32(0xb8);
/**
 * To write, the driver sets the flag, and the chip clears it when the access is complete. To read, the driver clears
 * the flag, and the chip sets it when the access is complete.
 */
export const FLAG = 0x8000_0000;

/**
 * 8168DP: registers of the management controller. `OCPDR` has the data, `OCPAR` the flag, byte enables 15:12 and
 * address 11:0.
 */
export const OCPDR = rw32(0xb0);
export const OCPAR = rw32(0xb4);
/** Extension of latency tolerance messages ("combo LTR"). Bit 0 enables it. */
export const COMBO_LTR_EXTEND = rw8(0xb6);

/** Power management of the link layer. */
export const DLLPR = rw8(0xd0, "Dllpr");
export const Dllpr = bits("Dllpr", { pfm: 1 << 6, tenMegPowerSave: 1 << 7 });
/** 8168DP: 32 bits at the offset of DLLPR. Bit 17 is the MDIO gate, shared with the management controller. */
export const RDSAR1 = rw32(0xd0, "Rdsar1");
export const Rdsar1 = bits("Rdsar1", { mdioGate: 1 << 17 });
/** Debug. Drivers set bits that limit how often the chip answers with NAK. */
export const DBG_REG = rw8(0xd1, "Debug");
export const Debug = bits("Debug", { fixNak1: 1 << 4, fixNak2: 1 << 3 });
/** Two-wire interface of the configuration EEPROM. */
export const TWSI = rw8(0xd2);
/** State of the chip's management unit (MCU). */
export const MCU = rw8(0xd3, "Mcu");
export const Mcu = bits("Mcu", {
  nowOutOfBand: 1 << 7,
  transmitEmpty: 1 << 5,
  receiveEmpty: 1 << 4,
  enableOobReset: 1 << 2,
  linkListReady: 1 << 1,
});

/** Longest frame that the receiver accepts, in bytes with FCS. */
export const RxMaxSize = rw16(0xda);

/** One-time programmable memory (8168D and later): flag, address 17:8, data 7:0. */
export const EFUSEAR = rw32(0xdc);

/** C+ command: offloads and bus behaviour. */
export const CPlusCmd = rw16(0xe0, "CPlus");
export const CPlus = bits("CPlus", {
  bist: 1 << 15,
  macDebug: 1 << 14,
  normal: 1 << 13,
  forceHalfDuplex: 1 << 12,
  forceReceiveFlow: 1 << 11,
  forceTransmitFlow: 1 << 10,
  cxplDebug: 1 << 9,
  asf: 1 << 8,
  packetCounterOff: 1 << 7,
  receiveVlan: 1 << 6,
  receiveChecksum: 1 << 5,
  dualAddress: 1 << 4,
  multipleReadWrite: 1 << 3,
  coalescingUnit: 3,
});

/** Interrupt mitigation: transmit time 15:12 and frames 11:8, receive time 7:4 and frames 3:0. */
export const IntrMitigate = rw16(0xe2);

/** Receive descriptors: ring base, 256-byte aligned. Write the high half first. */
export const RDSAR = low32(0xe4);
export const RDSARHigh = high32(0xe8);

/**
 * Longest frame that the transmitter accepts, in units of 128 bytes; on PCI chips, a FIFO threshold
 * (`MacFacts.transmitThreshold`).
 */
export const MaxTxPacketSize = rw8(0xec);

export const MISC = rw32(0xf0, "Misc");
export const Misc = bits("Misc", {
  txplaReset: 1 << 29,
  disableLan: 1 << 23,
  pwm: 1 << 22,
  /** While `receiveGate` is set, no received frame enters the FIFO. */
  receiveGate: 1 << 19,
  earlyTally: 1 << 16,
});
/** Bits 15:8 of MISC. */
export const MISC_0 = rw8(0xf1);
/** Bits 23:16 of MISC. The bit `pfmD3cold` is `pwm` in `Misc`. */
export const MISC_1 = rw8(0xf2, "Misc1");
/** `phySwitch`: a pin of the board can disable the PHY (RTL8168G and later). */
export const Misc1 = bits("Misc1", { pfmD3cold: 1 << 6, phySwitch: 1 << 5 });
/** Bits 31:24 of MISC. */
export const MISC_2 = rw8(0xf3);

/** Mailbox to the management controller (8168EP, 8117, 8125BP): control, and interrupt mask and status. */
export const IBCR0 = rw8(0xf8);
export const IBCR2 = rw8(0xf9);
export const IBIMR0 = rw8(0xfa);
export const IBISR0 = rw8(0xfb);

/** `TxConfig`, read-only, for the identification of the chip. */
export const ChipId = ro32(0x40);
