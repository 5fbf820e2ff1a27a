/**
 * MAC facts of each die: differences in register offsets and widths, values written at every start, and the names of
 * the procedures in `src/driver` that start and stop it.
 *
 * Sources: FreeBSD if_re.c, re_init_locked, re_stop and re_intr (chips before RTL8168G); DPDK `drivers/net/r8169`,
 * rtl_nic_reset, rtl_exit_oob, rtl_rx_hw_setup (RTL8168G and later); what Linux 6.12's r8169 writes to the model (for
 * the chips in between: the bits of RxConfig, MaxTxPacketSize and the drain).
 */
import { CPlus8139, RxConf8139 } from "./registers-8139cp.ts";
import { RxConf8125 } from "./registers-8125.ts";
import { CPlus, Conf2, Conf3, Conf5, RxConf, TxConf } from "./registers.ts";

/** How both directions are drained before a reset. */
export type Drain =
  /** Completion is not reported: the reset ends both at once. */
  | "none"
  /** StopReq, and a short wait. */
  | "stop"
  /** StopReq, until the transmit FIFO is empty. */
  | "stop-empty"
  /** Until the doorbell has cleared itself. */
  | "doorbell"
  /** The receive gate, until TxConfig and MCU report empty FIFOs. */
  | "gate"
  /** The receive gate, until MCU reports empty FIFOs. */
  | "gate-mcu"
  /** The receive gate and StopReq, until MCU and FifoStatus report empty FIFOs. */
  | "gate-stop";

/**
 * "Out of band": how the driver takes the MAC over from the chip's firmware, which may have used it while no driver was
 * loaded.
 */
export type TakeOver =
  | "none"
  /** Clears NowIsOob; the list of packet buffers is handed over in two steps. */
  | "link-list"
  /** As above, without the second request. */
  | "link-list-8125";

export interface MacFacts {
  /** Width of interrupt mask and status: 16 bits at 0x3c and 0x3e, 32 bits at 0x38 and 0x3c. */
  readonly interrupts: 16 | 32;
  /** Receive FIFO overflow has an interrupt of its own, which drivers enable. */
  readonly reportsOverflow: boolean;
  /** The register that starts transmission (doorbell). */
  readonly doorbell: "TxPoll8139" | "TxPoll" | "TPPOLL";
  /** The register that shows link, speed and duplex. */
  readonly link: "MSR" | "PHYstatus" | "PHYstatus16";
  /** CPlusCmd: receive offloads, and other bits that the chip needs. */
  readonly command: number;
  /** Additional bits for rings above 4 GiB. */
  readonly commandAbove4GiB: number;
  /** RxConfig without its accept bits. */
  readonly receiveConfig: number;
  readonly transmitConfig: number;
  /**
   * TxConfig and the transmit threshold take effect only after both directions are enabled (FreeBSD, re_init_locked).
   */
  readonly configuredOnceOn: boolean;
  /** Registers of interrupt moderation, which is off at start: IntrMitigate, or the blocks that `queues` counts. */
  readonly moderation: "none" | "IntrMitigate" | "blocks";
  /** IntrMitigate: CPlusCmd disables the frame counters, and drivers disable them when there is no limit of frames. */
  readonly frameCounterSwitch: boolean;
  /** Bits of Config2, 3 and 5 that are cleared at start: clock request and PME; power-down of the bus, and beacons; ASPM. */
  readonly cleared: { readonly config2: number; readonly config3: number; readonly config5: number };
  /** RxMaxSize limits received frames; otherwise every frame that the chip supports is received. */
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
/** Jumbo frames lock these chips up with larger requests. */
const SMALL_JUMBO_READS = { usual: 4096, jumbo: 512 } as const;

/** The PCI chips. 0x3f: transmission starts once the frame is complete in the FIFO. */
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

/** RTL8169S and 8110S need one bit more (FreeBSD, re_init_locked: "magic"). */
export const MAC_8169S: MacFacts = { ...MAC_PCI, command: MAC_PCI.command | CPlus.macDebug };

/** RTL8139C+. The receiver accepts up to 4 KiB, whatever the size of the buffers; transmission starts at 512 bytes. */
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

/** RTL8101E, which has no start-up sequence that clears it. */
export const MAC_8101: MacFacts = { ...MAC_8168B, cleared: NO_BEACON };

/** RTL8102E. */
export const MAC_8102: MacFacts = { ...MAC_8168B, receiveConfig: RxConf.interrupt128 | BURST };

export const MAC_8168C: MacFacts = {
  ...MAC_8168B,
  receiveConfig: RxConf.interrupt128 | RxConf.multipleFetch | BURST,
};

/** RTL8168D: as the 8102E. */
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
