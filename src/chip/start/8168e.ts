/**
 * RTL8168E, 8168E-VL, 8168F and 8411.
 *
 * Source: Realtek's FreeBSD driver 1.99.04 `if_re.c`, `re_hw_start_unlock`, `re_hw_phy_config`, `re_disable_EEE` and
 * `re_rar_set`, methods 36, 37, 39 and 50 to 52 (BSD-4-Clause, Realtek; values only). Which values are written, their
 * order, and the values marked "as observed" come from running Linux 6.12.117's r8169 on the model (`npm run derive --
 * --chip KEY`). Realtek's driver tunes the PHY further. What most of these bits do is not public.
 */
import { PARAMETER_8168D, type Start, type Step, type Word } from "../steps.ts";
import { ENTRY_LATENCY, WITHOUT_INTERRUPTS } from "./before-8168g.ts";

/** Config5: disables the SPI interface. */
const NO_SPI: Word = [0x56, 1 << 3, 0];

// prettier-ignore
// oxfmt-ignore
const EPHY_8168E: Step = {
  on: "ephy",
  words: [
    [0x00, 0x0200, 0x0100], [0x00, 0, 0x0004], [0x06, 0x0002, 0x0001], [0x06, 0, 0x0030],
    [0x07, 0, 0x2000], [0x00, 0, 0x0020], [0x03, 0x5800, 0x2000], [0x03, 0, 0x0001],
    [0x01, 0x0800, 0x1000], [0x07, 0, 0x4000], [0x1e, 0, 0x2000], [0x19, 0xfe6c],
    [0x0a, 0, 0x0040],
  ],
};

const COPY_TO_SECOND = { call: "copyAddressToSecond" } as const;
const COPY_TO_EXTENDED = { call: "copyAddressToExtended" } as const;

/** Both steppings of the RTL8168E, on which EEE is never enabled. */
// prettier-ignore
// oxfmt-ignore
export const START_8168E: Start = {
  mac: [
    ENTRY_LATENCY,
    EPHY_8168E,
    // MISC: resets the transmit packet buffer.
    { on: "io32", words: [[0xf0, 0, 1 << 29], [0xf0, 1 << 29, 0]] },
    { on: "io8", words: [NO_SPI] },
    COPY_TO_SECOND,
  ],
  address: [COPY_TO_SECOND],
  phy: [
    WITHOUT_INTERRUPTS,
    { firmware: "phy" },
    { through: PARAMETER_8168D, words: [[0x8b80, 0xc896]] },
    { page: 1, words: [[0x0b, 0x6c20], [0x07, 0x2872], [0x1c, 0xefff]] },
    { page: 3, words: [[0x14, 0x6420]] },
    { extension: 0x2f, words: [[0x15, 0x1919]] },
    // As observed; Realtek's driver writes this on the 8168E-VL.
    { extension: 0xac, words: [[0x18, 0x0006]] },
    // Clock of an idle link at 10 Mbit/s.
    { extension: 0x23, words: [[0x17, 0, 0x0006]] },
    { page: 2, words: [[0x08, 0xff00, 0x8000]] },
    { extension: 0x2d, words: [[0x18, 0, 0x0050]] },
    { page: 0, words: [[0x14, 0, 1 << 15]] },
    // The first word, and bit 12 of extension 0x20, are as observed.
    { through: PARAMETER_8168D, words: [[0x8b86, 0, 1 << 0], [0x8b85, 1 << 13, 0]] },
    { extension: 0x20, words: [[0x15, 0x1100, 0]] },
    { page: 6, words: [[0x00, 0x5a00]] },
    // Clause 45, device 7, register 60: EEE is not advertised.
    { page: 0, words: [[0x0d, 0x0007], [0x0e, 0x003c], [0x0d, 0x4007], [0x0e, 0x0000]] },
  ],
};

/**
 * The meaning of the first two words is not public. The others are the sizes of the static and the dynamic part of the
 * receive FIFO and of the transmit FIFO.
 */
const FIFOS: readonly Word[] = [
  [0xc0, 0xffff, 0],
  [0xb8, 0x0000_0000],
  [0xc8, 0x0010_0002],
  [0xe8, 0x0010_0006],
];
/** Resets the packet filter. */
const FILTER_RESET: readonly Word[] = [
  [0xdc, 1 << 0, 0],
  [0xdc, 0, 1 << 0],
];
/** @param high upper pause threshold; the lower one is the same on all chips */
const pause = (high: number): readonly Word[] => [
  [0xcc, 0x0000_0050],
  [0xd0, high],
];
/**
 * Enables low-power idle of the MAC in both directions. The MAC enters low-power idle only once the PHYs have agreed on
 * EEE.
 */
const EEE: Step = { on: "eri", words: [[0x1b0, 0, 0x0003]] };
/** @param events events that make the link leave L1 */
const leaveL1 = (events: number): Step => ({ on: "eri", words: [[0xd4, 0, events]] });

/** Tells the MCU that the driver owns the MAC. */
const OURS: Word = [0xd3, 1 << 7, 0];
/** Power management of the link layer (DLLPR). */
const LINK_POWER: Word = [0xd0, 0, 1 << 6];
/** Power management of the PHY (MISC). */
const PHY_POWER: Step = { on: "io32", words: [[0xf0, 0, 1 << 22]] };

/** PCI Express PHY, register 0x19. */
const EPHY_19: Word = [0x19, 0, 0x0224];
const EPHY_0C: Word = [0x0c, 0x3df0, 0x0200];

/** Green Ethernet and other power-saving settings, for 8168E-VL, 8168F and 8411. */
// prettier-ignore
// oxfmt-ignore
const GREEN: readonly Step[] = [
  { extension: 0x2d, words: [[0x18, 0, 1 << 4]] },
  { page: 0, words: [[0x14, 0, 1 << 15]] },
  { through: PARAMETER_8168D, words: [[0x8b86, 0, 1 << 0]] },
];

/** EEE in the PHY. */
const EEE_EXTENSION: Step = { extension: 0x20, words: [[0x15, 0, 1 << 8]] };
const EEE_PARAMETER: Step = { through: PARAMETER_8168D, words: [[0x8b85, 0, 1 << 13]] };
const BIT_14: Step = { through: PARAMETER_8168D, words: [[0x8b85, 0, 1 << 14]] };

/** Sets transmit FIFO thresholds and resets the packet filter again (re_link_on_patch). */
const thresholds = (first: number, second: number): readonly Step[] => [
  { on: "eri", words: [[0x1bc, first], [0x1dc, second], ...FILTER_RESET] },
];

/** 8168E-VL and 8411 (method 39). */
const THRESHOLDS = { 10: thresholds(0x1f, 0x3f), 100: thresholds(0x1f, 0x05), 1000: thresholds(0x11, 0x05) } as const;
/**
 * The values that Linux writes. For the second word, Realtek's driver has 0x1f at 100 Mbit/s and faster, and 0x2d at
 * 10.
 */
const THRESHOLDS_8168F = { ...THRESHOLDS, 100: thresholds(0x1f, 0x3f) } as const;

// prettier-ignore
// oxfmt-ignore
export const START_8168EVL: Start = {
  linkUp: THRESHOLDS,
  mac: [
    ENTRY_LATENCY,
    // Register 0 is written as observed; Realtek's driver sets bit 3.
    { on: "ephy", words: [[0x09, 0, 0x0080], EPHY_19, [0x00, 0, 0x0004], EPHY_0C] },
    // Bit 1 of 0x1d0 is set, as observed; Realtek's driver clears it.
    { on: "eri", words: [...FIFOS, [0x1d0, 0, 1 << 1], ...FILTER_RESET, [0x1b0, 0, 1 << 4], ...pause(0x07ff_0060)] },
    { on: "io8", words: [OURS] },
    EEE,
    { on: "io8", words: [LINK_POWER] },
    PHY_POWER,
    { on: "io8", words: [NO_SPI] },
    leaveL1(0x1f00),
    COPY_TO_EXTENDED,
  ],
  address: [COPY_TO_EXTENDED],
  phy: [
    WITHOUT_INTERRUPTS,
    { firmware: "phy" },
    { extension: 0xac, words: [[0x18, 0x0006]] },
    { page: 3, words: [[0x09, 0xa20f]] },
    // This step and the next are as observed. Realtek's driver sets bits 2:1 in parameter 0x8b80, not in register 0x17.
    { through: PARAMETER_8168D, words: [[0x8b5b, 0x9222], [0x8b6d, 0x8000], [0x8b76, 0x8000]] },
    { page: 5, words: [[0x05, 0x8b80], [0x17, 0, 0x0006]] },
    ...GREEN,
    BIT_14,
    EEE_EXTENSION,
    EEE_PARAMETER,
    { page: 3, words: [[0x19, 0, 1 << 0], [0x10, 0, 1 << 10]] },
    // As observed.
    { page: 5, words: [[0x01, 0, 1 << 8]] },
  ],
};

/**
 * The part that 8168F and 8411 have in common; the values of each chip follow it. Bit 1 of 0x1d0 is set, as observed;
 * Realtek's driver clears it.
 */
// prettier-ignore
// oxfmt-ignore
const COMMON_8168F: readonly Step[] = [
  ENTRY_LATENCY,
  {
    on: "eri",
    words: [...FIFOS, ...FILTER_RESET, [0x1b0, 0, 1 << 4], [0x1d0, 0, (1 << 4) | (1 << 1)], ...pause(0x0000_0060)],
  },
  { on: "io8", words: [OURS, LINK_POWER] },
  PHY_POWER,
  { on: "io8", words: [NO_SPI] },
  EEE,
];

// prettier-ignore
// oxfmt-ignore
const MAC_8168F: readonly Step[] = [
  ...COMMON_8168F,
  {
    on: "ephy",
    words: [
      [0x06, 0x00c0, 0x0020], [0x08, 0x0001, 0x0002], [0x09, 0, 0x0080], EPHY_19,
      [0x00, 0, 0x0008], EPHY_0C,
    ],
  },
  leaveL1(0x1f00),
];

const SPEED_DOWN: Step = { through: PARAMETER_8168D, words: [[0x8b80, 0, 0x0006]] };

/** @param level value of register 0x19 of extension 0x78 */
// prettier-ignore
// oxfmt-ignore
const channel = (level: number): readonly Step[] => [
  { page: 3, words: [[0x09, 0xa20f]] },
  { through: PARAMETER_8168D, words: [[0x8b55, 0x0000], [0x8b5e, 0x0000], [0x8b67, 0x0000], [0x8b70, 0x0000]] },
  { extension: 0x78, words: [[0x17, 0x0000], [0x19, level]] },
  { through: PARAMETER_8168D, words: [[0x8b79, 0xaa00]] },
  { page: 3, words: [[0x01, 0x328a]] },
];

const PHY_8168F: readonly Step[] = [SPEED_DOWN, ...GREEN, EEE_EXTENSION, EEE_PARAMETER];

export const START_8168F_480: Start = {
  linkUp: THRESHOLDS_8168F,
  mac: MAC_8168F,
  phy: [WITHOUT_INTERRUPTS, { firmware: "phy" }, ...channel(0x00fb), ...PHY_8168F, BIT_14],
};

export const START_8168F_481: Start = {
  linkUp: THRESHOLDS_8168F,
  mac: MAC_8168F,
  phy: [WITHOUT_INTERRUPTS, { firmware: "phy" }, ...PHY_8168F],
};

// prettier-ignore
// oxfmt-ignore
export const START_8411: Start = {
  linkUp: THRESHOLDS,
  mac: [
    ...COMMON_8168F,
    // Config3: disables entering L2 and L3.
    { on: "io8", words: [[0x54, 1 << 1, 0]] },
    { on: "ephy", words: [[0x06, 0x00c0, 0x0020], [0x0f, 0x5200], EPHY_19, [0x00, 0, 0x0008], EPHY_0C] },
    leaveL1(0x0c00),
  ],
  phy: [
    WITHOUT_INTERRUPTS,
    { firmware: "phy" },
    ...PHY_8168F,
    BIT_14,
    // As observed; Realtek's driver writes the level of the 8168F.
    ...channel(0x00aa),
    {
      through: PARAMETER_8168D,
      words: [
        [0x8b54, 1 << 11, 0], [0x8b5d, 1 << 11, 0], [0x8a7c, 1 << 8, 0], [0x8a7f, 0, 1 << 8],
        [0x8a82, 1 << 8, 0], [0x8a85, 1 << 8, 0], [0x8a88, 1 << 8, 0], [0x8b85, 0, 1 << 15],
      ],
    },
    { page: 3, words: [[0x19, 1 << 0, 0], [0x10, 1 << 10, 0]] },
  ],
};
