/**
 * Start-up values of the first PCI Express chips: RTL8168B, 8401, 8102E and 8103E. The RTL8101E needs none.
 *
 * Source: observed: Linux 6.12.117's r8169 on the model, by `npm run derive -- --chip KEY`. Realtek's FreeBSD driver
 * 1.99.04 `if_re.c`, `re_hw_start_unlock`, `re_hw_phy_config` and `re_phy_power_up`, methods 14, 15, 22 and 41
 * (BSD-4-Clause, Realtek; values only) has most of these values for the chips that it supports (XID 348 is not among
 * them). That driver also writes, on the 8102E from 34A on, words of the PCIe PHY that depend on the stepping;
 * registers 0xd1, 0xf4 and 0xf5; the 8401's commands through register 0xf8; and other words on pages 1 and 3 of the
 * 8168B's PHY.
 */
import type { Start, Step, Word } from "../steps.ts";
import { AWAKE, ENTRY_LATENCY, NO_BEACON } from "./before-8168g.ts";

export const START_8168B: Start = {
  mac: [{ on: "io8", words: [NO_BEACON] }],
  phy: [AWAKE, { page: 1, words: [[0x10, 0xf41b]] }],
};

// prettier-ignore
// oxfmt-ignore
export const START_8401: Start = {
  mac: [
    { on: "ephy", words: [[0x01, 0x6fe5], [0x03, 0x0599], [0x06, 0xaf25], [0x07, 0x8e68]] },
    { on: "io8", words: [NO_BEACON] },
  ],
  phy: [{ page: 0, words: [[0x11, 0, 0x1000]] }, { page: 2, words: [[0x0f, 0, 0x0003]] }],
};

// prettier-ignore
// oxfmt-ignore
const PHY_8102E: readonly Step[] = [
  { page: 0, words: [[0x11, 0, 0x1000], [0x19, 0, 0x2000], [0x10, 0, 0x8000]] },
  { page: 3, words: [[0x08, 0x441d], [0x01, 0x9100]] },
];

/** Config1: driver loaded, and the LED bits of each stepping. */
const CONFIG1_8102E: Word = [0x52, 0x0f];
const CONFIG1_348: Word = [0x52, 0xdf];
/** Config1: clears one of the two LED bits, which must not both be set. */
const NOT_BOTH_LEDS: Word = [0x52, 1 << 6, 0];

// prettier-ignore
// oxfmt-ignore
export const START_8102E_348: Start = {
  mac: [
    ENTRY_LATENCY,
    { on: "io8", words: [[0xd1, 0x10], CONFIG1_348, NO_BEACON, NOT_BOTH_LEDS] },
    {
      on: "ephy",
      words: [
        [0x01, 0, 0x6e65], [0x02, 0, 0x091f], [0x03, 0, 0xc2f9], [0x06, 0, 0xafb5],
        [0x07, 0, 0x0e00], [0x19, 0, 0xec80], [0x01, 0, 0x2e65], [0x01, 0, 0x6e65],
      ],
    },
  ],
  phy: PHY_8102E,
};

export const START_8102E_349: Start = {
  mac: [ENTRY_LATENCY, { on: "io8", words: [CONFIG1_8102E, NO_BEACON] }, { on: "ephy", words: [[0x03, 0xc2f9]] }],
  phy: PHY_8102E,
};

/** The steppings with XIDs from 24A and from 34A on. */
export const START_8102E_34X: Start = {
  mac: [ENTRY_LATENCY, { on: "io8", words: [CONFIG1_8102E, NO_BEACON] }],
  phy: PHY_8102E,
};
