/**
 * The first chips on PCI Express: RTL8168B, 8401, and 8102E with 8103E. (The RTL8101E is given nothing.)
 *
 * Source: Realtek's FreeBSD driver 1.99.04 `if_re.c`, `re_hw_start_unlock`, `re_hw_phy_config` and `re_phy_power_up`,
 * methods 14, 15, 22 and 41 (BSD-4-Clause, Realtek; values only). Left out is what Linux leaves out: words of the PCIe PHY
 * by stepping on the 8102E from 34A on; registers 0xd1, 0xf4 and 0xf5; the 8401's commands through register 0xf8.
 */
import type { Start, Step, Word } from "../steps.ts";

/** Config3: no beacon. */
const NO_BEACON: Word = [0x54, 1 << 0, 0];
/** Config1. */
const CONFIG1_8102E: Word = [0x52, 0x0f];

export const START_8168B: Start = {
  mac: [{ on: "io8", words: [NO_BEACON] }],
  phy: [
    // Out of a power-down that another driver may have left the PHY in.
    { page: 0, words: [[0x0e, 0x0000]] },
    { page: 1, words: [[0x0b, 0x94b0]] },
    { page: 3, words: [[0x12, 0x6096]] },
  ],
};

/** Linux has four words of the PCIe PHY, Realtek these two: the others are to be derived from register traces. */
// prettier-ignore
// oxfmt-ignore
export const START_8401: Start = {
  mac: [{ on: "io8", words: [NO_BEACON] }, { on: "ephy", words: [[0x06, 0xaf25], [0x07, 0x8e68]] }],
  phy: [{ page: 0, words: [[0x11, 0, 0x1000]] }, { page: 2, words: [[0x0f, 0, 0x0003]] }],
};

/** The same on 349 and 34A. Realtek's driver writes all but the last word on 34C, and nothing on 34B, 34D and 34E. */
// prettier-ignore
// oxfmt-ignore
const PHY_8102E: readonly Step[] = [
  { page: 0, words: [[0x11, 0, 0x1000], [0x19, 0, 0x2000], [0x10, 0, 0x8000]] },
  { page: 3, words: [[0x08, 0x441d], [0x01, 0x9100]] },
];

export const START_8102E_349: Start = {
  mac: [
    { on: "io8", words: [CONFIG1_8102E, NO_BEACON] },
    { on: "ephy", words: [[0x03, 0xc2f9]] },
  ],
  phy: PHY_8102E,
};

/** Steppings from 34A on. */
export const START_8102E_34X: Start = { mac: [{ on: "io8", words: [CONFIG1_8102E, NO_BEACON] }], phy: PHY_8102E };

/**
 * Without a source: the PHY gets the values of the next steppings. Config1, register 0xd1 and eight words of the PCIe PHY differ
 * from theirs; they have yet to be derived from register traces.
 */
export const START_8102E_348: Start = { mac: [], phy: PHY_8102E };
