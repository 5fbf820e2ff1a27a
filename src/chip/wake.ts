/**
 * Wake-up, by die: how each type of event is enabled, which filter applies to frames, and which parts stay powered.
 *
 * Sources: FreeBSD `sys/dev/re/if_re.c` and Realtek's driver for it, re_setwol, re_enable_magic_packet,
 * re_set_rx_packet_filter_in_sleep_state; for PME in Config2, and for PMCH, the values that Linux's r8169 leaves in the
 * model (test/state).
 */
import type { Step } from "./steps.ts";

export interface WakeFacts {
  /** How PME is enabled: Config1's power management bit, Config2's PME bit, or not at all. */
  readonly signal: "config1" | "config2" | "none";
  /** Where magic packets are enabled: Config3, extended register 0xdc or MAC-OCP 0xc0b6. */
  readonly magic: "config3" | "eri" | "ocp";
  /** Whether Config3 and Config5 are at the usual offsets or at those of the RTL8139C+. */
  readonly configAt: 8169 | 8139;
  /** What selects wake-up frames: the address only; RxConfig's filter; or RxConfig's filter and the receive gate. */
  readonly passes: "address" | "accept" | "gate";
  /** The receiver stays enabled while the chip sleeps. */
  readonly receives: boolean;
  /**
   * How PMCH is set. "armed": the PLL runs in D3hot, and also in D3cold if wake-up is enabled. "always": it runs in
   * both states, because the chip otherwise hangs when it goes to sleep.
   */
  readonly pll: "unknown" | "armed" | "always";
  /** Steps that run after the chip has stopped. They are in effect until the next start. */
  readonly stopped: readonly Step[];
}

export const WAKE_PCI: WakeFacts = {
  signal: "config1",
  magic: "config3",
  configAt: 8169,
  passes: "address",
  receives: false,
  pll: "unknown",
  stopped: [],
};
export const WAKE_8139CP: WakeFacts = { ...WAKE_PCI, configAt: 8139 };
/** From RTL8101E to 8168CP. */
export const WAKE_8101: WakeFacts = { ...WAKE_PCI, signal: "none" };
export const WAKE_8168B: WakeFacts = { ...WAKE_8101, receives: true };
export const WAKE_8168DP: WakeFacts = { ...WAKE_8101, passes: "accept" };
/** RTL8168D and 8105E. */
export const WAKE_8168D: WakeFacts = { ...WAKE_8168DP, pll: "armed" };
/** The value of register 0x19 of the PCI Express PHY is the one that Linux's r8169 leaves in the model. */
export const WAKE_8168E: WakeFacts = { ...WAKE_8168D, stopped: [{ on: "ephy", words: [[0x19, 0xff64]] }] };
export const WAKE_8106: WakeFacts = { ...WAKE_8168D, signal: "config2" };
/** RTL8168F and 8411. */
export const WAKE_8168F: WakeFacts = { ...WAKE_8168D, magic: "eri" };
/** RTL8168E-VL and 8402. */
export const WAKE_8168EVL: WakeFacts = { ...WAKE_8168F, signal: "config2" };
/** RTL8168G to 8117. */
export const WAKE_8168G: WakeFacts = { ...WAKE_8168EVL, passes: "gate" };
/** RTL8125 and 8126. */
export const WAKE_8125: WakeFacts = { ...WAKE_8168G, magic: "ocp" };
export const WAKE_8127: WakeFacts = { ...WAKE_8125, pll: "always" };

/** Bits that enable wake-up by magic packet: one from the RTL8168E-VL on, and another one from the 8125 on. */
export const ERI_MAGIC = { address: 0xdc, bit: 1 << 16 } as const;
export const OCP_MAGIC = { address: 0xc0b6, bit: 1 << 0 } as const;
/**
 * From the RTL8125 on: the value that Linux's r8169 of 2026 writes if wake-up by link is enabled; otherwise it writes
 * 0. No source names the bits.
 */
export const OCP_LINK = { address: 0xe0c6, mask: 0x3f, on: 0x13 } as const;
