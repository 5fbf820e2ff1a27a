/**
 * RTL8168C and 8168CP.
 *
 * Source: Realtek's FreeBSD driver 1.99.04 `if_re.c`, `re_hw_start_unlock`, `re_hw_phy_config` and `re_phy_power_up`,
 * methods 24 to 28 (BSD-4-Clause, Realtek; values only). Left out is what Linux leaves out: the 8168CP's extended register
 * 0x1ec.
 */
import type { Start, Step, Word } from "../steps.ts";

/** Config3: no beacon. */
const NO_BEACON: Word = [0x54, 1 << 0, 0];
/** Config1: speed-down. */
const SPEED_DOWN: Word = [0x52, 0, 1 << 4];
const COMMON: readonly Word[] = [SPEED_DOWN, NO_BEACON];

/** Out of a power-down that another driver may have left the PHY in. */
const AWAKE: Step = { page: 0, words: [[0x0e, 0x0000]] };

// prettier-ignore
// oxfmt-ignore
export const START_8168C_3C0: Start = {
  mac: [
    // Register 0xd1 as the source has it; Linux writes fewer bits.
    { on: "io8", words: [...COMMON, [0xd1, 0xf8]] },
    { on: "ephy", words: [[0x02, 0x1800, 0x1000], [0x03, 0, 0x0002], [0x06, 0x0080, 0]] },
  ],
  phy: [
    AWAKE,
    { page: 1, words: [[0x12, 0x2300]] },
    { page: 3, words: [[0x16, 0x000a], [0x12, 0xc096]] },
    {
      page: 2,
      words: [
        [0x00, 0x88de], [0x01, 0x82b1], [0x08, 0x9e30], [0x09, 0x01f0],
        [0x0a, 0x5500], [0x03, 0x7002],
      ],
    },
    { page: 0, words: [[0x14, 0, 1 << 5], [0x0d, 0, 1 << 5]] },
  ],
};

// prettier-ignore
// oxfmt-ignore
const EPHY_3C2: Step = { on: "ephy", words: [[0x01, 0, 0x0001], [0x03, 0x0620, 0x0220]] };

/**
 * The PHY of all but 3C0.
 * @param page2 more words on page 2
 * @param more steps after those
 */
// prettier-ignore
// oxfmt-ignore
const phy = (page2: readonly Word[], more: readonly Step[] = []): readonly Step[] => [
  AWAKE,
  { page: 1, words: [[0x12, 0x2300]] },
  { page: 3, words: [[0x16, 0x0f0a]] },
  { page: 2, words: [[0x00, 0x88de], [0x01, 0x82b1], [0x0c, 0x7eb8], ...page2] },
  ...more,
  { page: 0, words: [[0x16, 0, 1 << 0], [0x14, 0, 1 << 5], [0x0d, 1 << 5, 0]] },
  { page: 1, words: [[0x1d, 0x3d98], [0x17, 0x0cc0]] },
];

// prettier-ignore
// oxfmt-ignore
const DSP_3C2: Step = {
  page: 1,
  words: [[0x03, 0x802f], [0x02, 0x4f02], [0x01, 0x0409], [0x00, 0xf099], [0x04, 0x9800], [0x04, 0x9000]],
};

export const START_8168C_3C2: Start = {
  mac: [{ on: "io8", words: COMMON }, EPHY_3C2],
  phy: phy([[0x06, 0x0761]], [DSP_3C2]),
};

/**
 * No source. The MAC's start is that of 3C2; the PHY is given what the steppings below and above have in common. To be
 * derived from register traces.
 */
export const START_8168C_3C3: Start = { mac: [{ on: "io8", words: COMMON }, EPHY_3C2], phy: phy([]) };

/** 3C4 and up. */
export const START_8168C_3CX: Start = { mac: [{ on: "io8", words: COMMON }], phy: phy([[0x06, 0x5461]]) };

/** Both 8168CP of which there is a source, in the middle of their sequences. */
// prettier-ignore
// oxfmt-ignore
const PHY_8168CP: readonly Step[] = [
  { page: 1, words: [[0x14, 0xcaa3], [0x1c, 0x000a], [0x18, 0x65d0]] },
  { page: 3, words: [[0x17, 0xb580], [0x18, 0xff54], [0x19, 0x3954]] },
  { page: 2, words: [[0x0d, 0x310c], [0x0e, 0x310c], [0x0f, 0x311c], [0x06, 0x0761]] },
  { page: 3, words: [[0x18, 0xff55], [0x19, 0x3955], [0x18, 0xff54], [0x19, 0x3954]] },
  { page: 1, words: [[0x17, 0x0cc0]] },
];

// prettier-ignore
// oxfmt-ignore
export const START_8168CP_3C9: Start = {
  mac: [{ on: "io8", words: [NO_BEACON] }],
  phy: [AWAKE, { page: 0, words: [[0x0d, 0, 1 << 5]] }, { page: 1, words: [[0x1d, 0x3d98]] }, ...PHY_8168CP],
};

/** 3CB, and others that the source does not name. */
// prettier-ignore
// oxfmt-ignore
export const START_8168CP_3CX: Start = {
  mac: [{ on: "io8", words: [NO_BEACON, [0xd1, 0x20]] }],
  phy: [
    AWAKE,
    { page: 0, words: [[0x14, 0, 1 << 5], [0x0d, 0, 1 << 5]] },
    ...PHY_8168CP,
    { page: 0, words: [[0x16, 0, 1 << 0]] },
  ],
};

/**
 * No source. The MAC is given what it shares with the 8168C. Five words of the PCIe PHY and the tuning of the PHY, of which
 * nothing says that it is like another stepping's, are to be derived from register traces.
 */
export const START_8168CP_3C8: Start = { mac: [{ on: "io8", words: COMMON }], phy: [AWAKE] };
