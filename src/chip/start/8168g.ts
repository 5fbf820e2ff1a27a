/**
 * RTL8168G, 8168GU, 8106EUS and 8411B.
 *
 * Source: DPDK `drivers/net/r8169/base/rtl8168g.c` (BSD-3-Clause, Realtek): `hw_ephy_config_8168g`, `hw_config_8168g`,
 * `hw_phy_config_8168g`; `r8169_hw.c`: `rtl8168_hw_config`, `rtl_hw_init`. Source: `if_re.c` of Realtek's FreeBSD
 * driver (BSD-4-Clause, Realtek; values only), methods MACFG_56, 59 and 60: FIFO sizes, extended register 0x5f0, all of
 * the 8411B. That driver starts the 8106EUS in the same way as the 8168GU, of which the 8106EUS is the Fast Ethernet
 * version.
 */
import { PARAMETER_8168G, type Start, type Step, type Word } from "../steps.ts";

const ERI: readonly Word[] = [
  // Receive FIFO: size of its static and of its dynamic part.
  [0xc8, 0xffff_ffff, 0x0008_0002],
  // Pause thresholds, low and high.
  [0xcc, 0xff, 0x38],
  [0xd0, 0xff, 0x48],
  // Transmit FIFO: size of its static and of its dynamic part.
  [0xe8, 0xffff_ffff, 0x0010_0006],
  [0x5f0, 0xffff, 0x4f87],
  // Disables all wake-up events but the magic packet, and resets the packet filter.
  [0xdc, (0xfe << 16) | (1 << 0), 0],
  [0xdc, 0, 1 << 0],
  [0x1b0, 1 << 12, 0],
  [0x2fc, 0x07, 0x01],
  [0x2f8, 0xffff, 0x1d8f],
  // Enables the events that make the link leave L1.
  [0xd4, 0, 0x1f80],
];
/** The source does not write this on the 8411B. */
const ERI_8168G: Word = [0x1d0, 0, 1 << 1];
/** Enables interrupts of the PHY's MCU. Linux disables them when it powers the PHY down; this driver does not. */
const PHY_INTERRUPTS: Word = [0x1a8, 0, 0xfc00_0000];
/** Disables wake-up by checksum. */
const NO_CHECKSUM_WAKE: Word = [0xc140, 0xffff];

/** Settings for 10 Mbit/s and for ALDPS. */
// prettier-ignore
// oxfmt-ignore
export const TEN_MEGABIT_8168G: readonly Step[] = [
  { page: 0xbcc, words: [[20, 1 << 8, 0]] },
  { page: 0xa44, words: [[17, 0, 1 << 7], [17, 0, 1 << 6]] },
  { through: PARAMETER_8168G, words: [[0x8084, 0x6000, 0]] },
  { page: 0xa43, words: [[16, 0, 1 << 12], [16, 0, 1 << 1], [16, 0, 1 << 0]] },
];
export const FILTER_8168G: Step = { through: PARAMETER_8168G, words: [[0x8012, 0, 1 << 15]] };
export const GAIN_8168G: Step = { page: 0xc42, words: [[17, 1 << 13, 1 << 14]] };
/** Disables ALDPS, because with it a link partner that is slow to wake up loses traffic in the first seconds. */
export const ALDPS_OFF: Step = { page: 0xa43, words: [[16, 1 << 2, 0]] };

/** Settings of the digital signal processor, from the 8168GU on; the values are upper bytes. */
// prettier-ignore
// oxfmt-ignore
export const SIGNAL_8168GU: Step = { through: PARAMETER_8168G, words: [
  [0x80f3, 0xff00, 0x8b00], [0x80f0, 0xff00, 0x3a00], [0x80ef, 0xff00, 0x0500], [0x80f6, 0xff00, 0x6e00],
  [0x80ec, 0xff00, 0x6800], [0x80ed, 0xff00, 0x7c00], [0x80f2, 0xff00, 0xf400], [0x80f4, 0xff00, 0x8500],
  [0x8110, 0xff00, 0xa800], [0x810f, 0xff00, 0x1d00], [0x8111, 0xff00, 0xf500], [0x8113, 0xff00, 0x6100],
  [0x8115, 0xff00, 0x9200], [0x810e, 0xff00, 0x0400], [0x810c, 0xff00, 0x7c00], [0x810b, 0xff00, 0x5a00],
  [0x80d1, 0xff00, 0xff00], [0x80cd, 0xff00, 0x9e00], [0x80d3, 0xff00, 0x0e00], [0x80d5, 0xff00, 0xca00],
  [0x80d7, 0xff00, 0x8400],
] };

/** Turns off what the source calls "EthPhyPPSW". */
// prettier-ignore
// oxfmt-ignore
const PPSW_OFF: readonly Step[] = [
  { page: 0xbcd, words: [[20, 0x5065], [20, 0xd065]] },
  { page: 0xbc8, words: [[17, 0x5655]] },
  { page: 0xbcd, words: [[20, 0x1065], [20, 0x9065], [20, 0x1065]] },
];

// prettier-ignore
// oxfmt-ignore
export const START_8168G: Start = {
  mac: [
    { on: "ephy", words: [[0x00, 1 << 3, 0], [0x0c, 0x3ff0, 0x0820], [0x1e, 0, 1 << 0], [0x19, 1 << 15, 0]] },
    { on: "eri", words: [...ERI, ERI_8168G, PHY_INTERRUPTS] },
    { on: "mac", words: [NO_CHECKSUM_WAKE] },
  ],
  phy: [
    { firmware: "phy" },
    { call: "followPhyStatus" },
    { page: 0xa44, words: [[17, 0, 0x000c]] },
    ...TEN_MEGABIT_8168G,
    { page: 0xa4b, words: [[17, 0, 1 << 2]] },
    FILTER_8168G,
    GAIN_8168G,
    { through: PARAMETER_8168G, words: [[0x809a, 0x8022], [0x80a0, 0xff00, 0x1000], [0x8088, 0x9222]] },
    ...PPSW_OFF,
    ALDPS_OFF,
  ],
};

// prettier-ignore
// oxfmt-ignore
export const START_8168GU: Start = {
  mac: [
    { on: "ephy", words: [
      [0x00, 1 << 3, 0], [0x0c, 0x3ff0, 0x0820], [0x19, 0x7c00], [0x1e, 0x20eb],
      [0x0d, 0x1666], [0x00, 0x10a3], [0x06, 0xf050], [0x04, 0, 1 << 4],
      [0x1d, 1 << 14, 0],
    ] },
    { on: "eri", words: [...ERI, ERI_8168G] },
    { on: "mac", words: [NO_CHECKSUM_WAKE, [0xd3c0, 0x0b00], [0xd3c2, 0x0000]] },
  ],
  phy: [
    { firmware: "phy" },
    ...TEN_MEGABIT_8168G,
    FILTER_8168G,
    { page: 0xbce, words: [[18, 0x8860]] },
    SIGNAL_8168GU,
    ...PPSW_OFF,
    ALDPS_OFF,
  ],
};

/** Code for the MAC's MCU. Without this code the receiver may stop after the PHY was powered down. */
// prettier-ignore
// oxfmt-ignore
const PATCH_8411B: readonly number[] = [
  0xe008, 0xe00a, 0xe00c, 0xe00e, 0xe027, 0xe04f, 0xe05e, 0xe065,
  0xc602, 0xbe00, 0x0000, 0xc502, 0xbd00, 0x074c, 0xc302, 0xbb00,
  0x080a, 0x6420, 0x48c2, 0x8c20, 0xc516, 0x64a4, 0x49c0, 0xf009,
  0x74a2, 0x8ca5, 0x74a0, 0xc50e, 0x9ca2, 0x1c11, 0x9ca0, 0xe006,
  0x74f8, 0x48c4, 0x8cf8, 0xc404, 0xbc00, 0xc403, 0xbc00, 0x0bf2,
  0x0c0a, 0xe434, 0xd3c0, 0x49d9, 0xf01f, 0xc526, 0x64a5, 0x1400,
  0xf007, 0x0c01, 0x8ca5, 0x1c15, 0xc51b, 0x9ca0, 0xe013, 0xc519,
  0x74a0, 0x48c4, 0x8ca0, 0xc516, 0x74a4, 0x48c8, 0x48ca, 0x9ca4,
  0xc512, 0x1b00, 0x9ba0, 0x1b1c, 0x483f, 0x9ba2, 0x1b04, 0xc508,
  0x9ba0, 0xc505, 0xbd00, 0xc502, 0xbd00, 0x0300, 0x051e, 0xe434,
  0xe018, 0xe092, 0xde20, 0xd3c0, 0xc50f, 0x76a4, 0x49e3, 0xf007,
  0x49c0, 0xf103, 0xc607, 0xbe00, 0xc606, 0xbe00, 0xc602, 0xbe00,
  0x0c4c, 0x0c28, 0x0c2c, 0xdc00, 0xc707, 0x1d00, 0x8de2, 0x48c1,
  0xc502, 0xbd00, 0x00aa, 0xe0c0, 0xc502, 0xbd00, 0x0132,
];
const PATCH_AT = 0xf800;
/** Loads the patch and sets the addresses from which the MCU jumps to it (version 1.100.00 and later of the source). */
// prettier-ignore
// oxfmt-ignore
const LOAD_PATCH_8411B: readonly Step[] = [
  { on: "mac", words: [
    [0xfc28, 0], [0xfc2a, 0], [0xfc2c, 0], [0xfc2e, 0],
    [0xfc30, 0], [0xfc32, 0], [0xfc34, 0], [0xfc36, 0],
  ] },
  { wait: 3000 },
  { on: "mac", words: [
    [0xfc26, 0x0000],
    ...PATCH_8411B.map((word, i): Word => [PATCH_AT + 2 * i, word]),
    [0xfc26, 0x8000], [0xfc2a, 0x0743], [0xfc2c, 0x0801], [0xfc2e, 0x0be9],
    [0xfc30, 0x02fd], [0xfc32, 0x0c25], [0xfc34, 0x00a9], [0xfc36, 0x012d],
  ] },
];

// prettier-ignore
// oxfmt-ignore
export const START_8411B: Start = {
  mac: [
    { on: "ephy", words: [
      [0x00, 1 << 3, 0], [0x0c, 0x3ff0, 0x0820], [0x1e, 0, 1 << 0], [0x19, 0x8021, 0],
      [0x1e, 0, 1 << 13], [0x0d, 1 << 8, 1 << 9], [0x00, 0, 1 << 7], [0x06, 0, 1 << 4],
      [0x04, 0, 1 << 4], [0x1d, 0, 1 << 14],
    ] },
    { on: "eri", words: ERI },
    { on: "mac", words: [[0xd3c0, 0x0fff, 0x0fff], [0xd3c2, 0x00ff, 0], [0xd3c4, 0, 1 << 0]] },
  ],
  phy: [
    { firmware: "phy" },
    // The firmware has code at the same address, so the patch must be loaded after the firmware. Linux 6.12's r8169
    // does so, too.
    ...LOAD_PATCH_8411B,
    FILTER_8168G,
    { page: 0xbce, words: [[18, 0x8860]] },
    SIGNAL_8168GU,
    { through: PARAMETER_8168G, words: [[0x8011, 1 << 14, 0]] },
    ...PPSW_OFF,
    ALDPS_OFF,
  ],
};
