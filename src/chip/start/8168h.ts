/**
 * RTL8168H, 8107E and 8168M.
 *
 * Source: DPDK `drivers/net/r8169/base/rtl8168h.c` (BSD-3-Clause, Realtek): `hw_ephy_config_8168h`, `hw_config_8168h`,
 * `hw_phy_config_8168h_2`. What most of these bits do is not public; the comments give the source's own names.
 */
import type { Start, Step, Word } from "../steps.ts";

const EPHY: Step = {
  on: "ephy",
  words: [
    [0x1e, 1 << 11, 1 << 0],
    [0x1d, 0, 1 << 11],
    [0x05, 0xffff, 0x2089],
    [0x06, 0xffff, 0x5881],
    [0x04, 0xffff, 0x854a],
    [0x01, 0xffff, 0x068b],
  ],
};

const ERI: readonly Word[] = [
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
];
/** The source leaves this out for the 8168M. */
const ERI_8168H: Word = [0x1d0, 0, 1 << 1];
/** Events that leave L1. */
const L1_EXIT: Word = [0xd4, 0, 0x1f80];

const MAC: Step = {
  on: "mac",
  words: [
    // PCIe PHY error mask.
    [0xe0d6, 0x01ff, 0x017f],
    // Wake-up by checksum off.
    [0xc140, 0xffff, 0xffff],
    [0xc142, 0xffff, 0xffff],
    [0xe098, 0xffff, 0x0aa2],
  ],
};

/** @param ppsw bits of page 0xa44, register 17, to clear: "EthPhyPPSW", which the source leaves alone on the 8168M */
const phy = (ppsw: number): readonly Step[] => [
  // A parameter: its address, then its value.
  {
    page: 0xa43,
    words: [
      [19, 0xffff, 0x808a],
      [20, 0x003f, 0x000a],
    ],
  },
  // EEE: speed-up.
  { page: 0xa44, words: [[17, ppsw, 1 << 11]] },
  { page: 0xc41, words: [[21, 1 << 1, 0]] },
  // ALDPS off (bit 2): a link partner that wakes slowly otherwise loses the first seconds. Bit 0 as the source sets it.
  { page: 0xa43, words: [[16, 1 << 2, 1 << 0]] },
];

export const START_8168H: Start = {
  mac: [EPHY, { on: "eri", words: [...ERI, ERI_8168H, L1_EXIT] }, MAC],
  phy: phy(1 << 7),
};
export const START_8168M: Start = { mac: [EPHY, { on: "eri", words: [...ERI, L1_EXIT] }, MAC], phy: phy(0) };
