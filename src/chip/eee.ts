/**
 * By die: energy-efficient Ethernet (IEEE 802.3az, bz), power saving while no cable is plugged in (ALDPS), and a
 * fallback for cables with only two pairs (giga-lite).
 *
 * Sources: Realtek's FreeBSD driver 1.99.04 `if_re.c`, re_enable_EEE, re_disable_EEE and re_set_eee_lpi_timer
 * (BSD-4-Clause; values only); DPDK `drivers/net/r8169/r8169_phy.c`, rtl_disable_eee, rtl_disable_aldps and
 * rtl_set_speed_xmii (BSD-3-Clause).
 */
import type { LinkModeName } from "./link-modes.ts";
import { Eee, Eee2, Mmd, Ocp } from "./phy.ts";
import { PARAMETER_8168D, type Space, type Step, type Word } from "./steps.ts";

export interface EeeFacts {
  /** Steps that turn EEE on and off in the PHY. */
  readonly on: readonly Step[];
  readonly off: readonly Step[];
  /** Bits that enable low-power idle of the MAC, in each direction. */
  readonly idle: { readonly on: Space; readonly words: readonly (readonly [address: number, bits: number])[] };
  /** Register with the time, in byte times, for which the transmitter waits before it idles. */
  readonly timer?: { readonly on: Space; readonly address: number };
  /** True if EEE is on by default, as in Linux. */
  readonly onByDefault: boolean;
  /** A link mode in which EEE does not work, although the PHY has a bit for it. */
  readonly broken?: LinkModeName;
}

const ERI_IDLE: EeeFacts["idle"] = { on: "eri", words: [[0x1b0, 3]] };
const OCP_IDLE: EeeFacts["idle"] = { on: "mac", words: [[0xe040, 3]] };
const TIMER_8125 = { on: "io16", address: 0x6048 } as const;

const inPhy = (...words: Word[]): readonly Step[] => [{ on: "phy", words }];
const EXTENSION = 1 << 8;
const PARAMETER = 1 << 13;
const paged = (on: boolean): readonly Step[] => [
  { extension: 0x20, words: [[0x15, on ? 0 : EXTENSION, on ? EXTENSION : 0]] },
  { through: PARAMETER_8168D, words: [[0x8b85, on ? 0 : PARAMETER, on ? PARAMETER : 0]] },
];

/** RTL8168E-VL, 8168F and 8411. */
export const EEE_8168EVL: EeeFacts = { on: paged(true), off: paged(false), idle: ERI_IDLE, onByDefault: true };
export const EEE_8168G: EeeFacts = {
  on: inPhy([0xa432, 0, 1 << 4]),
  off: inPhy([0xa432, 1 << 4, 0]),
  idle: ERI_IDLE,
  onByDefault: true,
};
/** Off by default in Linux 7. */
export const EEE_8168H: EeeFacts = { ...EEE_8168G, timer: { on: "mac", address: 0xe048 }, onByDefault: false };
/** Realtek's driver and Linux's leave EEE off at 2500 Mbit/s. */
export const EEE_8125A: EeeFacts = {
  ...EEE_8168G,
  idle: { on: "mac", words: [...OCP_IDLE.words, [0xeb62, 6]] },
  timer: TIMER_8125,
  broken: "2500baseT/Full",
};
export const EEE_8125B: EeeFacts = { on: [], off: [], idle: OCP_IDLE, timer: TIMER_8125, onByDefault: true };
/** Bit 4 of PHY-OCP 0xa432 stays set when EEE is turned off (DPDK rtl_disable_eee, methods 50 and later). */
export const EEE_8125D: EeeFacts = { ...EEE_8125B, on: EEE_8168G.on, off: EEE_8168G.on };

/**
 * Registers of the ability, the advertisement, and the link partner's advertisement: their clause 45 numbers, and their
 * addresses in an OCP PHY.
 */
export const EEE_REGISTERS = {
  eee: {
    able: { mmd: [Mmd.pcs, 20], ocp: Ocp.eeeAble },
    offered: { mmd: [Mmd.negotiation, 60], ocp: Ocp.eeeAdvertise },
    partner: { mmd: [Mmd.negotiation, 61], ocp: Ocp.eeePartner },
  },
  eee2: {
    able: { mmd: [Mmd.pcs, 21], ocp: Ocp.eee2Able },
    offered: { mmd: [Mmd.negotiation, 62], ocp: Ocp.eee2Advertise },
    partner: { mmd: [Mmd.negotiation, 63], ocp: Ocp.eee2Partner },
  },
} as const;

export interface EeeMode {
  readonly name: LinkModeName;
  readonly speed: number;
  readonly register: keyof typeof EEE_REGISTERS;
  readonly bit: number;
}
export const EEE_MODES: readonly EeeMode[] = [
  { name: "100baseT/Full", speed: 100, register: "eee", bit: Eee.full100 },
  { name: "1000baseT/Full", speed: 1000, register: "eee", bit: Eee.full1000 },
  { name: "2500baseT/Full", speed: 2500, register: "eee2", bit: Eee2.full2500 },
  { name: "5000baseT/Full", speed: 5000, register: "eee2", bit: Eee2.full5000 },
  { name: "10000baseT/Full", speed: 10_000, register: "eee", bit: Eee.full10000 },
];

/** Addresses of PHY-OCP registers, each with bits of that register. */
export type PhyBits = readonly (readonly [address: number, bits: number])[];
export const ALDPS: PhyBits = [[0xa430, 1 << 2]];
export const GIGA_LITE_8168H: PhyBits = [[0xa428, 1 << 9]];
/** The PHYs of the RTL8125 and later have one more bit for each speed above 1000 Mbit/s. */
export const gigaLite8125 = (faster: number): PhyBits => [...GIGA_LITE_8168H, [0xa5ea, faster]];
/** MAC-OCP bit that shows that ALDPS has ended (RTL8125 and later). */
export const ALDPS_ENDED = { address: 0xe908, bit: 1 << 7 } as const;
