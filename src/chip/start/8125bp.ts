/**
 * RTL8125BP and RTL8125CP.
 *
 * Source: DPDK `drivers/net/r8169/base/rtl8125bp.c` (BSD-3-Clause, Realtek): `rtl_hw_phy_config_8125bp_2`, method 55;
 * `rtl8125cp.c`: `rtl_hw_phy_config_8125cp_1`, method 58.
 */
import type { Start, Step, Word } from "../steps.ts";
import {
  OWN_8125CP,
  UNREPORTED,
  USUAL_DESCRIPTORS,
  USUAL_RECEIVE,
  mac8125,
  memory,
  memory2,
  ocp,
  phy8125,
  transmitTags,
} from "./8125.ts";

/** @param own the chip's own MAC-OCP words */
const mac = (own: readonly Word[]): Start["mac"] =>
  mac8125({
    thresholds: "fifoThresholds8125",
    config: [UNREPORTED],
    pciePhy: [],
    registers: [
      USUAL_RECEIVE,
      {
        on: "mac",
        words: [
          USUAL_DESCRIPTORS,
          transmitTags(3),
          ...own,
          [0xe63e, 0x0c30, 0x0020],
          [0xe0c0, 0x4000],
          [0xea1c, 1 << 2, 0],
        ],
      },
    ],
  });

// prettier-ignore
// oxfmt-ignore
const PHY_8125BP: readonly Step[] = [
  ocp([[0xa442, 0, 0x800]]),
  memory([[0x8010, 0x800, 0]]),
  memory2([[0x8088, 0xff00, 0x9000], [0x808f, 0xff00, 0x9000]]),
  memory([[0x8174, 0x2000, 0x1800]]),
];

// prettier-ignore
// oxfmt-ignore
const PHY_8125CP: readonly Step[] = [
  { call: "phyInterruptsOff" },
  ocp([[0xa442, 0, 0x800], [0xad0e, 0x7f, 0xb], [0xad78, 0, 0x10]]),
  memory2([[0x807f, 0xff00, 0x5300]]),
  memory([[0x81b8, 0xb4], [0x81ba, 0xe4], [0x81c5, 0x104], [0x81d0, 0x54d]]),
  ocp([[0xa430, 0, 0x3], [0xa442, 0, 0x80], [0xa430, 0x1000, 0]]),
];

export const START_8125BP: Start = { mac: mac([]), phy: phy8125(PHY_8125BP) };
export const START_8125CP: Start = { mac: mac(OWN_8125CP), phy: phy8125(PHY_8125CP) };
