/**
 * RTL8168C and 8168CP.
 *
 * Source: observed: Linux 6.12.117's r8169 on the model, by `npm run derive -- --chip KEY`. Realtek's FreeBSD driver
 * 1.99.04 `if_re.c`, `re_hw_start_unlock`, `re_hw_phy_config` and `re_phy_power_up`, methods 24 to 28 (BSD-4-Clause,
 * Realtek; values only) has most of these values for the chips that it supports (XIDs 3C3 and 3C8 are not among them).
 * That driver writes more PHY registers, mainly on the 8168CP, and differs in these places: bit 5 of PHY register 0x0d,
 * from 3C2 on; register 0xd1 and register 0 of PHY page 2, on 3C0; bit 9 of register 3 of the PCIe PHY, on 3C2.
 */
import type { Start, Step, Word } from "../steps.ts";
import { AWAKE, ENTRY_LATENCY, NO_BEACON } from "./before-8168g.ts";

/** Config1: enables speed-down. */
const SPEED_DOWN: Word = [0x52, 0, 1 << 4];
const COMMON: Step = { on: "io8", words: [SPEED_DOWN, NO_BEACON] };

// prettier-ignore
// oxfmt-ignore
export const START_8168C_3C0: Start = {
  mac: [
    ENTRY_LATENCY,
    { on: "io8", words: [[0xd1, 0x1e]] },
    { on: "ephy", words: [[0x02, 0x0800, 0x1000], [0x03, 0, 0x0002], [0x06, 0x0080, 0]] },
    COMMON,
  ],
  phy: [
    AWAKE,
    { page: 1, words: [[0x12, 0x2300]] },
    {
      page: 2,
      words: [
        [0x00, 0x88d4], [0x01, 0x82b1], [0x03, 0x7002], [0x08, 0x9e30],
        [0x09, 0x01f0], [0x0a, 0x5500], [0x0c, 0x00c8],
      ],
    },
    { page: 3, words: [[0x12, 0xc096], [0x16, 0x000a]] },
    { page: 0, words: [[0x14, 0, 1 << 5], [0x0d, 0, 1 << 5]] },
  ],
};

/**
 * The PHY of all steppings but 3C0.
 * @param page1 more words on page 1
 * @param level value of register 6 on page 2
 */
// prettier-ignore
// oxfmt-ignore
const phy = (page1: readonly Word[], level: number): readonly Step[] => [
  AWAKE,
  { page: 1, words: [[0x12, 0x2300], ...page1, [0x1d, 0x3d98]] },
  { page: 2, words: [[0x0c, 0x7eb8], [0x06, level]] },
  { page: 3, words: [[0x16, 0x0f0a]] },
  { page: 0, words: [[0x16, 0, 1 << 0], [0x14, 0, 1 << 5], [0x0d, 0, 1 << 5]] },
];

// prettier-ignore
// oxfmt-ignore
const DSP_3C2: readonly Word[] = [
  [0x03, 0x802f], [0x02, 0x4f02], [0x01, 0x0409], [0x00, 0xf099], [0x04, 0x9800], [0x04, 0x9000],
];

const MAC_3C2: readonly Step[] = [
  ENTRY_LATENCY,
  {
    on: "ephy",
    words: [
      [0x01, 0, 0x0001],
      [0x03, 0x0400, 0x0020],
    ],
  },
  COMMON,
];

export const START_8168C_3C2: Start = { mac: MAC_3C2, phy: phy(DSP_3C2, 0x0761) };
export const START_8168C_3C3: Start = { mac: MAC_3C2, phy: phy([], 0x5461) };
/** The steppings with XID 3C1, and with XIDs from 3C4 on. */
export const START_8168C_3CX: Start = { mac: [ENTRY_LATENCY, COMMON], phy: phy([], 0x5461) };

// prettier-ignore
// oxfmt-ignore
export const START_8168CP_3C8: Start = {
  mac: [
    ENTRY_LATENCY,
    {
      on: "ephy",
      words: [[0x01, 0, 0x0001], [0x02, 0x0800, 0x1000], [0x03, 0, 0x0042], [0x06, 0x0080, 0], [0x07, 0, 0x2000]],
    },
    COMMON,
  ],
  phy: [AWAKE, { page: 0, words: [[0x1d, 0x0f00]] }, { page: 2, words: [[0x0c, 0x1ec8]] }],
};

// prettier-ignore
// oxfmt-ignore
const PHY_8168CP: readonly Step[] = [
  AWAKE,
  { page: 0, words: [[0x14, 0, 1 << 5], [0x0d, 0, 1 << 5]] },
  { page: 1, words: [[0x1d, 0x3d98]] },
];

export const START_8168CP_3C9: Start = {
  mac: [ENTRY_LATENCY, { on: "io8", words: [NO_BEACON] }],
  phy: PHY_8168CP,
};

/** XID 3CB, and steppings that the source does not name. */
export const START_8168CP_3CX: Start = {
  mac: [ENTRY_LATENCY, { on: "io8", words: [NO_BEACON, [0xd1, 0x20]] }],
  phy: PHY_8168CP,
};
