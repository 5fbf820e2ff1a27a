/**
 * RTL8168EP, and RTL8117 (8168FP).
 *
 * Source: DPDK `drivers/net/r8169/base/rtl8168ep.c` and `rtl8168fp.c` (BSD-3-Clause, Realtek), methods 28, 32 and 33:
 * `hw_ephy_config_*`, `hw_config_*`, `hw_phy_config_*`; `r8169_hw.c`: `rtl8168_hw_config`, `rtl_disable_ups`,
 * `rtl8168_disable_dma_agg`. Source: `if_re.c` of Realtek's FreeBSD driver (BSD-4-Clause, Realtek; values only),
 * methods MACFG_67, 71 and 72: FIFO sizes, extended registers 0x2fc of the 8168EP and 0x1b0, 0xc0 and 0xb8 of the
 * 8168FP, MAC-OCP 0xd420.
 */
import { PARAMETER_8168G, type Start, type Word } from "../steps.ts";
import { ALDPS_OFF, FILTER_8168G, GAIN_8168G, SIGNAL_8168GU, TEN_MEGABIT_8168G } from "./8168g.ts";

const ERI: readonly Word[] = [
  // Receive FIFO: size of its static and of its dynamic part.
  [0xc8, 0xffff_ffff, 0x0008_0002],
  // Pause thresholds, low and high.
  [0xcc, 0xff, 0x2f],
  [0xd0, 0xff, 0x5f],
  // Transmit FIFO: size of its static and of its dynamic part.
  [0xe8, 0xffff_ffff, 0x0010_0006],
  // Disables all wake-up events but the magic packet, and resets the packet filter.
  [0xdc, (0xfe << 16) | (1 << 0), 0],
  [0xdc, 0, 1 << 0],
];
/** Disables wake-up by checksum. */
const NO_CHECKSUM_WAKE: readonly Word[] = [
  [0xc140, 0xffff],
  [0xc142, 0xffff],
];

// prettier-ignore
// oxfmt-ignore
export const START_8168EP: Start = {
  mac: [
    { call: "stopManagementMac" },
    { on: "ephy", words: [
      [0x00, 0x10ab], [0x19, 0xfc00], [0x1e, 0x20eb], [0x0d, 0x1666],
      [0x0b, 1 << 0, 0], [0x1d, 0, 1 << 14], [0x0c, 0x3de0, 0x0210],
    ] },
    { on: "eri", words: [...ERI, [0x5f0, 0xffff, 0x4f87], [0x2fc, 0x07, 0x03], [0x2f8, 0xffff, 0x1d8f], [0xd4, 0, 0x1f80]] },
    // Both sources write 0xafd to 0xd3e2; Linux writes 0x271.
    { on: "mac", words: [...NO_CHECKSUM_WAKE, [0xd3e2, 0x0fff, 0x0afd], [0xd3e4, 0x00ff, 0], [0xe860, 0, 1 << 7]] },
  ],
  phy: [...TEN_MEGABIT_8168G, FILTER_8168G, GAIN_8168G, SIGNAL_8168GU, ALDPS_OFF],
};

// prettier-ignore
// oxfmt-ignore
export const START_8117_54B: Start = {
  mac: [
    { call: "stopManagementMac8168fp" },
    // The source repeats the first two changes at 0x59 and 0x4c, which this chip, with six address bits, takes for 0x19 and
    // 0x0c.
    { on: "ephy", words: [[0x19, 1 << 6, 0x1100], [0x0c, 1 << 4, 0], [0x0b, 1 << 0, 0]] },
    { on: "eri", words: [
      ...ERI,
      [0xdc, 0, 0x000c], [0x2fc, 0x03, 0x01], [0x1b0, 1 << 12, 0], [0x1d0, 1 << 1, 0],
      [0xc0, 0xffff, 0], [0xb8, 0x0000_0000], [0xd4, 0, 0x1f90],
    ] },
    { on: "mac", words: [
      [0xe056, 0x00f0, 0], ...NO_CHECKSUM_WAKE, [0xe098, 0xc302], [0xd420, 0x0fff, 0x045f],
      // Disables DMA aggregation and ultra power saving.
      [0xe63e, 0x000e, 0], [0xe63e, 0, 1 << 0], [0xe63e, 1 << 0, 0], [0xc094, 0x0000],
      [0xc09e, 0x0000], [0xd400, 1 << 0, 0],
    ] },
    { call: "fitPackage" },
    { call: "calibrateMillisecond" },
  ],
  phy: [
    { through: PARAMETER_8168G, words: [
      [0x808e, 0xff00, 0x4800], [0x8090, 0xff00, 0xcc00], [0x8092, 0xff00, 0xb000], [0x8088, 0xff00, 0x6000],
      [0x808b, 0x3f00, 0x0b00], [0x808d, 0x1f00, 0x0600], [0x808c, 0xff00, 0xb000],
      [0x80a0, 0xff00, 0x2800], [0x80a2, 0xff00, 0x5000], [0x809b, 0xf800, 0xb000], [0x809a, 0xff00, 0x4b00],
      [0x809d, 0x3f00, 0x0800], [0x80a1, 0xff00, 0x7000], [0x809f, 0x1f00, 0x0300], [0x809e, 0xff00, 0x8800],
      [0x80b2, 0xff00, 0x2200], [0x80ad, 0xf800, 0x9800], [0x80af, 0x3f00, 0x0800], [0x80b3, 0xff00, 0x6f00],
      [0x80b1, 0x1f00, 0x0300], [0x80b0, 0xff00, 0x9300],
      [0x8011, 0, 1 << 11],
    ] },
    // Enables 10 Mbit/s.
    { page: 0xa44, words: [[17, 0, 1 << 11]] },
    { through: PARAMETER_8168G, words: [[0x8016, 0, 1 << 10]] },
    // Turns on what the source calls "EthPhyPPSW".
    { page: 0xa44, words: [[17, 1 << 7, 0]] },
    ALDPS_OFF,
  ],
};
/** This chip also loads firmware for the MAC, after everything else. */
export const START_8117_54A: Start = { ...START_8117_54B, mac: [...START_8117_54B.mac, { firmware: "mac" }] };
