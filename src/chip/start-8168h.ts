/**
 * What the 8168H generation (8168H, 8107E, 8168M) is started with, behind its side buses.
 *
 * Source: DPDK `drivers/net/r8169/base/rtl8168h.c` (BSD-3-Clause, Realtek): `hw_ephy_config_8168h`, `hw_config_8168h`,
 * `hw_phy_config_8168h_2`. What most of these bits do is not public; the comments give the source's own names.
 */
import type { Chip } from "./chips.ts";

/** Clear bits, then set bits, of the register at an address; all bits cleared means that the whole word is written. */
export type Update = readonly [address: number, clear: number, set: number];

/** The same for a PHY register (16 to 23) on a page. */
export interface PhyUpdate {
  readonly page: number;
  readonly register: number;
  readonly clear: number;
  readonly set: number;
}

export interface Start8168h {
  /** PHY tuning after a reset that needs no reading of fuses. */
  readonly phy: readonly PhyUpdate[];
  /** PCIe PHY. */
  readonly ephy: readonly Update[];
  /** Extended registers. */
  readonly eri: readonly Update[];
  /** MAC controller. */
  readonly mac: readonly Update[];
}

/** PHY parameters are reached through a window: address in register 19, value in register 20 of page 0xa43. */
const parameter = (address: number, clear: number, set: number): readonly PhyUpdate[] => [
  { page: 0xa43, register: 19, clear: 0xffff, set: address },
  { page: 0xa43, register: 20, clear, set },
];

const COMMON: Start8168h = {
  phy: [
    ...parameter(0x808a, 0x003f, 0x000a),
    // EEE: speed-up.
    { page: 0xa44, register: 17, clear: 0, set: 1 << 11 },
    { page: 0xc41, register: 21, clear: 1 << 1, set: 0 },
    // ALDPS off (bit 2): a link partner that wakes slowly otherwise loses the first seconds. Bit 0 as the source sets it.
    { page: 0xa43, register: 16, clear: 1 << 2, set: 1 << 0 },
  ],
  ephy: [
    [0x1e, 1 << 11, 1 << 0],
    [0x1d, 0, 1 << 11],
    [0x05, 0xffff, 0x2089],
    [0x06, 0xffff, 0x5881],
    [0x04, 0xffff, 0x854a],
    [0x01, 0xffff, 0x068b],
  ],
  eri: [
    // Receive FIFO: shares of the static and the dynamic part.
    [0xc8, 0xffff_ffff, 0x0370_0002],
    // Pause thresholds, low and high.
    [0xcc, 0xff, 0x38],
    [0xd0, 0xff, 0x48],
    // Transmit FIFO.
    [0xe8, 0xffff_ffff, 0x0010_0006],
    // Magic packet only, and what the source sets beside it.
    [0xdc, 0xfe << 16, (1 << 4) | (1 << 3) | (1 << 2)],
    [0x1b0, 1 << 12, 0],
    [0x2fc, 1 << 2, 0],
    // Events that leave L1.
    [0xd4, 0, 0x1f80],
  ],
  mac: [
    // PCIe PHY error mask.
    [0xe0d6, 0x01ff, 0x017f],
    // Wake-up by checksum off.
    [0xc140, 0xffff, 0xffff],
    [0xc142, 0xffff, 0xffff],
    [0xe098, 0xffff, 0x0aa2],
  ],
};

/** 8168H and 8107E, but not 8168M: two updates that the source leaves out for CFG_METHOD_37. */
const WITH_PPSW: Start8168h = {
  ...COMMON,
  // "EthPhyPPSW".
  phy: [...COMMON.phy, { page: 0xa44, register: 17, clear: 1 << 7, set: 0 }],
  eri: [...COMMON.eri, [0x1d0, 0, 1 << 1]],
};

const BY_KEY: Readonly<Record<string, Start8168h>> = {
  rtl8168h: WITH_PPSW,
  rtl8107e: WITH_PPSW,
  rtl8168m: COMMON,
};

/** @throws {RangeError} for a chip of another generation: a row is missing */
export const start8168h = (chip: Chip): Start8168h => {
  const start = BY_KEY[chip.key];
  if (start === undefined) throw new RangeError(`no start-up values for ${chip.key}`);
  return start;
};
