/**
 * RTL8125B, and RTL8168KB of the same die.
 *
 * Source: DPDK `drivers/net/r8169/base/rtl8125b.c` (BSD-3-Clause, Realtek): `hw_ephy_config_8125b` and
 * `rtl_hw_phy_config_8125b_2`, method 51; `rtl8168kb.c`, method 53, is identical. Source: `if_re.c` of Realtek's
 * FreeBSD driver (BSD-4-Clause, Realtek; values only), method MACFG_83: MAC-OCP 0xe63e.
 */
import type { Start, Step, Word } from "../steps.ts";
import {
  NO_BYPASS,
  TCAM,
  UNREPORTED,
  USUAL_DESCRIPTORS,
  mac8125,
  memory,
  memory2,
  ocp,
  phy8125,
  transmitTags,
} from "./8125.ts";

/** The second lane's registers are 0x40 above the first lane's. */
// prettier-ignore
// oxfmt-ignore
const EPHY: readonly Word[] = [
  [0xb, 0xa908], [0x1e, 0x20eb], [0x22, 0x23], [0x2, 0x60c2], [0x29, 0xff00], [0x4b, 0xa908], [0x5e, 0x28eb],
  [0x62, 0x23], [0x42, 0x60c2], [0x69, 0xff00],
];

// prettier-ignore
// oxfmt-ignore
const PHY: readonly Step[] = [
  ocp([[0xa442, 0, 0x800], [0xac46, 0xf0, 0x90], [0xad30, 0x3, 0x1]]),
  memory2([[0x80f5, 0x760e], [0x8107, 0x360e], [0x8551, 0xff00, 0x800]]),
  ocp([[0xbf00, 0xe000, 0xa000], [0xbf46, 0xf00, 0x300]]),
  memory([
    [0x8044, 0x2417], [0x804a, 0x2417], [0x8050, 0x2417], [0x8056, 0x2417], [0x805c, 0x2417], [0x8062, 0x2417],
    [0x8068, 0x2417], [0x806e, 0x2417], [0x8074, 0x2417], [0x807a, 0x2417],
  ]),
  ocp([[0xa4ca, 0, 0x40], [0xbf84, 0xe000, 0xa000]]),
  memory([[0x8170, 0x2700, 0xd800]]),
  memory2([[0x8015, 0, 0x100]]),
  ocp([[0xa424, 0, 0x8]]),
];

export const START_8125B: Start = {
  mac: mac8125({
    thresholds: "fifoThresholds8125",
    config: [UNREPORTED],
    pciePhy: EPHY,
    registers: [
      TCAM,
      NO_BYPASS,
      {
        on: "mac",
        words: [USUAL_DESCRIPTORS, transmitTags(2), [0xe63e, 0x0c30, 0], [0xe0c0, 0x4000], [0xea1c, 1 << 2, 0]],
      },
    ],
  }),
  phy: phy8125(PHY),
};
