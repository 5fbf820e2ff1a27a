/**
 * RTL8168H, 8107E and 8168M.
 *
 * Source: DPDK `drivers/net/r8169/base/rtl8168h.c` (BSD-3-Clause, Realtek): `hw_ephy_config_8168h`, `hw_config_8168h`,
 * `hw_phy_config_8168h_1` to `_3`; `r8169_hw.c`: `rtl_disable_ups`, `rtl8168_disable_dma_agg`. Source: `if_re.c` of
 * Realtek's FreeBSD driver (BSD-4-Clause, Realtek; values only), methods MACFG_69 and MACFG_75: FIFO sizes, MAC-OCP
 * 0xe056, 0xe052 and 0xd420, extended register 0x5f0, and the PHY of the third stepping. What most of these bits do is
 * not public; the comments give the sources' own names.
 */
import { ExtendedRss, QueueCount } from "../rss.ts";
import { PARAMETER_8168G, type Start, type Step, type Word } from "../steps.ts";

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
  // Receive FIFO: size of its static and of its dynamic part.
  [0xc8, 0xffff_ffff, 0x0008_0002],
  // Pause thresholds, low and high.
  [0xcc, 0xff, 0x38],
  [0xd0, 0xff, 0x48],
  // Transmit FIFO: size of its static and of its dynamic part.
  [0xe8, 0xffff_ffff, 0x0010_0006],
  // One receive queue, and no hash, because another system's driver may have left several queues enabled.
  [ExtendedRss.queues, QueueCount.mask << QueueCount.shift, 0],
  [ExtendedRss.control, 0],
  // Disables all wake-up events but the magic packet; the source sets one more bit.
  [0xdc, 0xfe << 16, (1 << 4) | (1 << 3) | (1 << 2)],
  [0x5f0, 0x0f0f, 0],
  // Resets the packet filter.
  [0xdc, 1 << 0, 0],
  [0xdc, 0, 1 << 0],
  [0x1b0, 1 << 12, 0],
  [0x2fc, 1 << 2, 0],
];
/** The source does not write this on the 8168M. */
const ERI_8168H: Word = [0x1d0, 0, 1 << 1];
/** Enables the events that make the link leave L1. */
const L1_EXIT: Word = [0xd4, 0, 0x1f80];

const MAC: readonly Word[] = [
  // PCIe PHY error mask.
  [0xe0d6, 0x01ff, 0x017f],
  // Disables wake-up by checksum.
  [0xc140, 0xffff, 0xffff],
  [0xc142, 0xffff, 0xffff],
  [0xe098, 0xffff, 0x0aa2],
  // Disables DMA aggregation.
  [0xe63e, 0x000e, 0],
  [0xe63e, 0, 1 << 0],
  [0xe63e, 1 << 0, 0],
  [0xc094, 0x0000],
  [0xc09e, 0x0000],
];
/** Disables ultra power saving. The source does not write this on the 8168M. */
const UPS_OFF: Word = [0xd400, 1 << 0, 0];
/** These words are not written on the two later steppings. */
const POWER: readonly Word[] = [
  [0xe056, 0x00f0, 0],
  [0xe052, 0xe008, 1 << 15],
  [0xd420, 0x0fff, 0x045f],
];

/** @param ppsw bits to clear in page 0xa44, register 17: "EthPhyPPSW", which the source does not clear on the 8168M */
const tenMegabit = (ppsw: number): Step => ({ page: 0xa44, words: [[17, ppsw, 1 << 11]] });
const TEN_MEGABIT = tenMegabit(1 << 7);
/** Clears bit 2, ALDPS, because with it a link partner that is slow to wake up loses traffic in the first seconds. */
const aldpsOff = (set: number): Step => ({ page: 0xa43, words: [[16, 1 << 2, set]] });

const phy = (tenMegabit: Step): readonly Step[] => [
  { firmware: "phy" },
  // Both sources have address 0x8011, Linux 0x811. The next words make the PHY recalibrate while the link is up.
  {
    through: PARAMETER_8168G,
    words: [
      [0x808a, 0x003f, 0x000a],
      [0x8011, 0, 1 << 11],
    ],
  },
  { page: 0xa42, words: [[22, 0, 1 << 1]] },
  tenMegabit,
  { call: "biasFromFuses" },
  { call: "lengthForPairs" },
  { page: 0xc41, words: [[21, 1 << 1, 0]] },
  // The source also sets bit 0.
  aldpsOff(1 << 0),
];

export const START_8168H: Start = {
  mac: [
    EPHY,
    { on: "eri", words: [...ERI, ERI_8168H, L1_EXIT] },
    { on: "mac", words: [...MAC, UPS_OFF, ...POWER] },
    { call: "calibrateMillisecond" },
  ],
  phy: phy(TEN_MEGABIT),
};
export const START_8168M: Start = {
  mac: [
    EPHY,
    { on: "eri", words: [...ERI, L1_EXIT] },
    { on: "mac", words: [...MAC, ...POWER] },
    { call: "calibrateMillisecond" },
  ],
  phy: phy(tenMegabit(0)),
};

/**
 * On the two later steppings (`START_8168H_100` and `START_8168H_300`), the sources clear bit 2 of MAC-OCP 0xd438, select
 * a bank of the PCI Express PHY by bits 1:0 of 0xde28, and write its registers. Then they select bank 0, and set bit 2
 * again.
 */
const EPHY_BEGIN: Step = { on: "mac", words: [[0xd438, 1 << 2, 0]] };
const EPHY_END: Step = {
  on: "mac",
  words: [
    [0xde28, 0x0003, 0],
    [0xd438, 0, 1 << 2],
  ],
};
const LATER: readonly Step[] = [
  { on: "eri", words: [...ERI, ERI_8168H, L1_EXIT] },
  { on: "mac", words: [[0xd438, 0, 0x0003], ...MAC, UPS_OFF] },
];

/** The stepping whose MAC-OCP 0xd006 has 1 in its high byte. */
// prettier-ignore
// oxfmt-ignore
export const START_8168H_100: Start = {
  mac: [
    EPHY_BEGIN,
    { on: "mac", words: [[0xde28, 0x0003, 1]] },
    { on: "ephy", words: [[0x04, 1 << 9, 0]] },
    EPHY_END,
    ...LATER,
  ],
  phy: [
    { firmware: "phy" },
    TEN_MEGABIT,
    { page: 0xa4c, words: [[21, 0x6000, 0]] },
    { through: PARAMETER_8168G, words: [[0x81b9, 0x2000], [0x81d4, 0xff00, 0x6600], [0x81cb, 0xff00, 0x3500]] },
    { page: 0xa80, words: [[22, 0x000f, 0x0005]] },
    { through: PARAMETER_8168G, words: [
      [0x8016, 0, 1 << 13],
      [0x811e, 0xdeca], [0x811c, 0x8008], [0x8118, 0xf8b4], [0x811a, 0x1a04],
      [0x8134, 0xdeca], [0x8132, 0xa008], [0x812e, 0x00b5], [0x8130, 0x1a04],
      [0x8112, 0xff00, 0x7300], [0x8106, 0xa209], [0x8108, 0x13b0],
      [0x8103, 0xf800, 0xb800], [0x8105, 0xff00, 0x0a00],
      [0x87eb, 0x0018], [0x87eb, 0x0018], [0x87ed, 0x0733], [0x87ef, 0x08dc],
      [0x87f1, 0x08df], [0x87f3, 0x0c79], [0x87f5, 0x0d93], [0x87f9, 0x0010],
      [0x87fb, 0x0800], [0x8015, 0x7000, 0x7000], [0x8111, 0xff00, 0x7c00],
    ] },
    aldpsOff(0),
  ],
};
/** The stepping whose MAC-OCP 0xd006 has 3 in its high byte. */
export const START_8168H_300: Start = {
  mac: [EPHY_BEGIN, EPHY_END, ...LATER],
  phy: [{ firmware: "phy" }, TEN_MEGABIT, { page: 0xc41, words: [[21, 1 << 1, 0]] }, aldpsOff(0)],
};
