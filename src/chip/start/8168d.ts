/**
 * RTL8168D and 8168DP.
 *
 * Source: Realtek's FreeBSD driver 1.99.04 `if_re.c`, `re_hw_start_unlock`, `re_hw_phy_config` and `re_phy_power_up`,
 * methods 31, 33 and 65 (BSD-4-Clause, Realtek; values only). Which values are written, their order, and page 7 of the
 * 8168DP come from running Linux 6.12.117's r8169 on the model (`npm run derive -- --chip KEY`). Realtek's driver
 * writes more: the 8168D's PCIe PHY, a setting selected by byte 0x30 of its one-time memory, more registers of both
 * 8168DP, and other values on the 8168D with XID 282.
 */
import { PARAMETER_8168D, type Start, type Step } from "../steps.ts";
import { AWAKE, ENTRY_LATENCY } from "./before-8168g.ts";

// prettier-ignore
// oxfmt-ignore
const CHANNEL: readonly Step[] = [
  {
    page: 1,
    words: [
      [0x06, 0x4064], [0x07, 0x2863], [0x08, 0x059c], [0x09, 0x26b4],
      [0x0a, 0x6a19], [0x0b, 0xdcc8], [0x10, 0xf06d], [0x14, 0x7f68],
      [0x18, 0x7fd9], [0x1c, 0xf0ff], [0x1d, 0x3d9c],
    ],
  },
  { page: 3, words: [[0x12, 0xf49f], [0x13, 0x070b], [0x1a, 0x05ad], [0x14, 0x94c0]] },
];

/** Writes a value to a register and to the copy that the PHY's MCU keeps. */
const COPIED: readonly Step[] = [
  { page: 2, words: [[0x06, 0x5561]] },
  { through: PARAMETER_8168D, words: [[0x8332, 0x5561]] },
];

/** The part that all four 8168D steppings have in common; it is written first. */
const BOTH: readonly Step[] = [
  AWAKE,
  ...CHANNEL,
  ...COPIED,
  { page: 1, words: [[0x17, 0x0cc0]] },
  { page: 0, words: [[0x0d, 0xf880]] },
];

/** Settings of the phase-locked loop. */
// prettier-ignore
// oxfmt-ignore
const LOOP: Step = { page: 2, words: [[0x02, 0x0600, 0x0100], [0x03, 0xe000, 0]] };

/** @param ready value of the word at 0x001b of the PHY's memory when the PHY is ready for firmware */
const firmware = (ready: number): Step => ({
  firmware: "phy",
  when: { through: PARAMETER_8168D, word: [0x001b, ready] },
});

// prettier-ignore
// oxfmt-ignore
export const START_8168D_281: Start = {
  mac: [ENTRY_LATENCY],
  phy: [
    ...BOTH,
    { page: 2, words: [[0x0b, 0x00ff, 0x0010], [0x0c, 0xff00, 0xa200]] },
    { call: "regulatorOf281" },
    // The regulator's slew rate.
    { page: 2, words: [[0x0d, 0, 0x0300], [0x0f, 0, 0x0010]] },
    LOOP,
    firmware(0xbf00),
  ],
};

/** XIDs 280, 282 and 283. */
export const START_8168D_280: Start = {
  mac: [ENTRY_LATENCY],
  phy: [...BOTH, { call: "regulatorOf280" }, LOOP, { page: 2, words: [[0x0f, 0, 0x0017]] }, firmware(0xb300)],
};

// prettier-ignore
// oxfmt-ignore
export const START_8168DP_28A: Start = {
  mac: [
    ENTRY_LATENCY,
    { on: "ephy", words: [[0x0b, 0, 0x0048], [0x19, 0x0020, 0x0050], [0x0c, 0x0100, 0x0020], [0x10, 0x0004, 0]] },
  ],
  phy: [
    AWAKE,
    { page: 1, words: [[0x17, 0x0cc0]] },
    { extension: 0x2d, words: [[0x18, 0x0040]] },
    { page: 0, words: [[0x0d, 0, 1 << 5]] },
  ],
};

export const START_8168DP_28B: Start = { mac: [ENTRY_LATENCY], phy: [AWAKE] };
