/**
 * The differences between dies that concern the MAC: register offsets and widths, values written at every start, and
 * the names of the procedures in `src/driver` that start and stop the MAC.
 *
 * Sources: FreeBSD if_re.c, re_init_locked, re_stop and re_intr (chips before RTL8168G); DPDK `drivers/net/r8169`,
 * rtl_nic_reset, rtl_exit_oob, rtl_rx_hw_setup (RTL8168G and later); for RxConfig, MaxTxPacketSize and the drain of
 * some chips before the RTL8168G, what Linux 6.12's r8169 writes to the model.
 */
import { CPlus8139, RxConf8139 } from "./registers-8139cp.ts";
import { RxConf8125 } from "./registers-8125.ts";
import { CPlus, Conf2, Conf3, Conf5, RxConf, TxConf } from "./registers.ts";

/** How the driver drains both directions before a reset. */
export type Drain =
  /** The chip cannot report that it is drained, so the reset stops both directions at once. */
  | "none"
  /** Set StopReq and wait a short time. */
  | "stop"
  /** Set StopReq and wait until the transmit FIFO is empty. */
  | "stop-empty"
  /** Wait until the doorbell has cleared itself. */
  | "doorbell"
  /** Close the receive gate and wait until TxConfig and MCU report empty FIFOs. */
  | "gate"
  /** Close the receive gate and wait until MCU reports empty FIFOs. */
  | "gate-mcu"
  /** Close the receive gate, set StopReq, and wait until MCU and FifoStatus report empty FIFOs. */
  | "gate-stop";

/**
 * How the driver takes the MAC over from the chip's firmware, which may have used it while no driver was loaded ("out
 * of band").
 */
export type TakeOver =
  | "none"
  /** Clears NowIsOob; hands the list of packet buffers over in two steps. */
  | "link-list"
  /** As `link-list`, but the second step only waits. */
  | "link-list-8125";

export interface MacFacts {
  /** Width of interrupt mask and status: 16 bits at 0x3c and 0x3e, 32 bits at 0x38 and 0x3c. */
  readonly interrupts: 16 | 32;
  /** The chip has an interrupt for overflow of the receive FIFO, and drivers enable it. */
  readonly reportsOverflow: boolean;
  /** The register that starts transmission (doorbell). */
  readonly doorbell: "TxPoll8139" | "TxPoll" | "TPPOLL";
  /** The register that shows link, speed and duplex. */
  readonly link: "MSR" | "PHYstatus" | "PHYstatus16";
  /** CPlusCmd: receive offloads, and other bits that the chip needs. */
  readonly command: number;
  /** Additional bits of CPlusCmd for rings above 4 GiB. */
  readonly commandAbove4GiB: number;
  /** RxConfig without its accept bits. */
  readonly receiveConfig: number;
  readonly transmitConfig: number;
  /**
   * TxConfig and the transmit threshold take effect only if they are written after both directions are enabled
   * (FreeBSD, re_init_locked).
   */
  readonly configuredOnceOn: boolean;
  /**
   * The registers of interrupt moderation: IntrMitigate, or moderation blocks (`queues` has their number). The driver
   * starts with moderation off.
   */
  readonly moderation: "none" | "IntrMitigate" | "blocks";
  /** CPlusCmd can disable IntrMitigate's frame counters. Drivers disable them when they set no limit of frames. */
  readonly frameCounterSwitch: boolean;
  /**
   * Bits that are cleared at start. Config2: clock request and PME; Config3: power-down of the bus, and beacons;
   * Config5: ASPM.
   */
  readonly cleared: { readonly config2: number; readonly config3: number; readonly config5: number };
  /**
   * RxMaxSize limits the length of received frames. If false, the chip receives frames of every length that it
   * supports.
   */
  readonly limitsReceive: boolean;
  /**
   * Register 0xec. On PCI, the FIFO fill level at which transmission starts, in units of 32 bytes; on PCI Express, the
   * longest frame, in units of 128 bytes. Undefined if drivers do not write it.
   */
  readonly transmitThreshold: { readonly usual: number; readonly jumbo: number } | undefined;
  /** PCI Express: the largest read request, in bytes, with standard and with jumbo frames. */
  readonly readRequest: { readonly usual: 512 | 4096; readonly jumbo: 512 | 4096 };
  readonly drain: Drain;
  readonly takeOver: TakeOver;
}

const OFFLOADS = CPlus.receiveVlan | CPlus.receiveChecksum;
const EXPRESS_COMMAND = CPlus.normal | OFFLOADS;
const BURST = RxConf.dmaBurst;
const TRANSMIT = TxConf.dmaBurst | TxConf.interFrameGap;
const NOTHING_CLEARED = { config2: 0, config3: 0, config5: 0 } as const;
const NO_BEACON = { ...NOTHING_CLEARED, config3: Conf3.beacon } as const;
const NO_SLEEP = {
  config2: Conf2.clockRequest | Conf2.pmeSignal,
  config3: Conf3.readyToL23 | Conf3.beacon,
  config5: Conf5.aspm,
} as const;
const LARGE_READS = { usual: 4096, jumbo: 4096 } as const;
/** With larger read requests, jumbo frames lock these chips up. */
const SMALL_JUMBO_READS = { usual: 4096, jumbo: 512 } as const;

/** The PCI chips. Threshold 0x3f: transmission starts when the whole frame is in the FIFO. */
export const MAC_PCI: MacFacts = {
  interrupts: 16,
  reportsOverflow: true,
  doorbell: "TxPoll",
  link: "PHYstatus",
  command: OFFLOADS | CPlus.multipleReadWrite,
  commandAbove4GiB: CPlus.dualAddress,
  receiveConfig: RxConf8139.wholeFrames | BURST,
  transmitConfig: TRANSMIT,
  configuredOnceOn: true,
  moderation: "IntrMitigate",
  frameCounterSwitch: false,
  cleared: NOTHING_CLEARED,
  limitsReceive: true,
  transmitThreshold: { usual: 0x3f, jumbo: 0x3f },
  readRequest: LARGE_READS,
  drain: "stop",
  takeOver: "none",
};

/** RTL8169S and 8110S need one more bit of CPlusCmd (FreeBSD, re_init_locked: "magic"). */
export const MAC_8169S: MacFacts = { ...MAC_PCI, command: MAC_PCI.command | CPlus.macDebug };

/**
 * RTL8139C+. The receiver accepts frames of up to 4 KiB, however small the buffers are. Transmission starts when 512
 * bytes are in the FIFO.
 */
export const MAC_8139CP: MacFacts = {
  ...MAC_PCI,
  reportsOverflow: false,
  doorbell: "TxPoll8139",
  link: "MSR",
  command: CPlus8139.receiveEnable | CPlus8139.transmitEnable | OFFLOADS,
  moderation: "none",
  limitsReceive: false,
  transmitThreshold: { usual: 16, jumbo: 16 },
  drain: "none",
};

/** RTL8168B and 8401. */
export const MAC_8168B: MacFacts = {
  ...MAC_PCI,
  reportsOverflow: false,
  command: EXPRESS_COMMAND,
  commandAbove4GiB: 0,
  configuredOnceOn: false,
  readRequest: SMALL_JUMBO_READS,
};

/**
 * RTL8101E. The chips most like it clear the beacon bit in their start-up sequence, which the RTL8101E does not have.
 */
export const MAC_8101: MacFacts = { ...MAC_8168B, cleared: NO_BEACON };

/** RTL8102E. */
export const MAC_8102: MacFacts = { ...MAC_8168B, receiveConfig: RxConf.interrupt128 | BURST };

export const MAC_8168C: MacFacts = {
  ...MAC_8168B,
  receiveConfig: RxConf.interrupt128 | RxConf.multipleFetch | BURST,
};

/** RTL8168D. */
export const MAC_8168D: MacFacts = MAC_8102;

export const MAC_8168DP_28A: MacFacts = { ...MAC_8168D, readRequest: LARGE_READS, drain: "doorbell" };
export const MAC_8168DP_28B: MacFacts = { ...MAC_8168DP_28A, transmitThreshold: { usual: 0x3f, jumbo: 0x24 } };

export const MAC_8168E: MacFacts = {
  ...MAC_8168D,
  cleared: { config2: Conf2.clockRequest, config3: 0, config5: Conf5.aspm },
  transmitThreshold: { usual: 0x3f, jumbo: 0x24 },
  readRequest: LARGE_READS,
};

/** RTL8105E and 8106E. */
export const MAC_8105: MacFacts = { ...MAC_8102, cleared: NO_SLEEP };

/** RTL8168E-VL, 8168F and 8411. */
export const MAC_8168EVL: MacFacts = {
  ...MAC_8168C,
  transmitConfig: TRANSMIT | TxConf.autoFifo,
  frameCounterSwitch: true,
  cleared: NO_SLEEP,
  transmitThreshold: { usual: 0x27, jumbo: 0x27 },
  readRequest: LARGE_READS,
  drain: "stop-empty",
};

export const MAC_8402: MacFacts = { ...MAC_8168EVL, receiveConfig: MAC_8102.receiveConfig };

/** From RTL8168G to 8117. */
export const MAC_8168G: MacFacts = {
  ...MAC_8168EVL,
  receiveConfig: RxConf.interrupt128 | RxConf.multipleFetch | RxConf.earlyOff | BURST,
  drain: "gate",
  takeOver: "link-list",
};

/** Eight descriptors per fetch; DPDK uses 20 on the 8126 and 12 on the 8127. */
const FETCH = 8 << 27;
const STRIP = RxConf8125.stripInnerTag | RxConf8125.stripOuterTag;

export const MAC_8125A: MacFacts = {
  ...MAC_8168G,
  interrupts: 32,
  doorbell: "TPPOLL",
  link: "PHYstatus16",
  command: CPlus.normal | CPlus.receiveChecksum,
  receiveConfig: FETCH | STRIP | BURST,
  transmitConfig: TRANSMIT,
  moderation: "blocks",
  transmitThreshold: undefined,
  drain: "gate-mcu",
  takeOver: "link-list-8125",
};

/** RTL8125B and later. */
export const MAC_8125B: MacFacts = {
  ...MAC_8125A,
  receiveConfig: MAC_8125A.receiveConfig | RxConf8125.pauseSlot,
  drain: "gate-stop",
};
