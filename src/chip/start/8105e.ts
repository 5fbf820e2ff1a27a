/**
 * RTL8105E, 8402 and 8106E: 100 Mbit/s.
 *
 * Source: Realtek's FreeBSD driver 1.99.04 `if_re.c`, `re_hw_start_unlock`, `re_hw_phy_config` and `re_disable_EEE`,
 * methods 42, 43 and 53 to 55 (BSD-4-Clause, Realtek; values only). Which values are written, their order, and the
 * values marked "as observed" come from running Linux 6.12.117's r8169 on the model (`npm run derive -- --chip KEY`).
 */
import type { Start, Step, Word } from "../steps.ts";
import { ENTRY_LATENCY } from "./before-8168g.ts";

/** MISC: makes the chip leave ASPM during transfers. */
const LEAVE_ASPM: Word = [0xf0, 0, 0x2800];
/** MISC: disables early tally counters. */
const EARLY_TALLY = 1 << 16;
/** MCU: disables neighbour discovery and resets while the MCU owns the MAC. */
const OUT_OF_BAND: Word = [0xd3, 0, 0x0c];
/** Config3: disables entering L2 and L3. */
const NOT_TO_L23: Step = { on: "io8", words: [[0x54, 1 << 1, 0]] };

/**
 * Disables ALDPS, which would interfere with loading the firmware, then loads it.
 * @param micros time in microseconds until ALDPS is off
 */
const awake = (micros: number): readonly Step[] => [
  { page: 0, words: [[0x18, 0x0310]] },
  { wait: micros },
  { firmware: "phy" },
];

// prettier-ignore
// oxfmt-ignore
const EPHY_8105E: readonly Word[] = [
  [0x07, 0, 0x4000], [0x19, 0, 0x0200], [0x19, 0, 0x0020], [0x1e, 0, 0x2000],
  [0x03, 0, 0x0001], [0x19, 0, 0x0100], [0x19, 0, 0x0004], [0x0a, 0, 0x0020],
];

const MAC_8105E: readonly Step[] = [
  { on: "io32", words: [LEAVE_ASPM, [0xf0, EARLY_TALLY, 0]] },
  { on: "io8", words: [OUT_OF_BAND, [0xd0, 0, 1 << 6]] },
  { on: "ephy", words: EPHY_8105E },
  NOT_TO_L23,
];

// prettier-ignore
// oxfmt-ignore
const PHY_8105E: readonly Step[] = [
  ...awake(100_000),
  { page: 5, words: [[0x1a, 0x0000]] },
  // As observed. Realtek's driver reads register 0xef and writes either this word or the preceding one.
  { page: 4, words: [[0x1c, 0x0000]] },
  { page: 1, words: [[0x15, 0x7701]] },
];

export const START_8105E_409: Start = { mac: MAC_8105E, phy: PHY_8105E };
export const START_8105E_408: Start = {
  mac: [...MAC_8105E, { on: "ephy", words: [[0x1e, 0, 0x8000]] }],
  phy: PHY_8105E,
};

/** Turns EEE off. @param value the value of register 0x10 */
// prettier-ignore
// oxfmt-ignore
const noEee = (value: number): Step => ({ page: 4, words: [[0x10, value], [0x19, 0x7030]] });

// prettier-ignore
// oxfmt-ignore
export const START_8402: Start = {
  // The values for 10 Mbit/s are those that Linux's r8169 writes; there is no other source.
  linkUp: {
    10: [{ on: "eri", words: [[0x1d0, 0x4d02], [0x1dc, 0x060a]] }],
    100: [{ on: "eri", words: [[0x1d0, 0x0000]] }],
    1000: [{ on: "eri", words: [[0x1d0, 0x0000]] }],
  },
  mac: [
    ENTRY_LATENCY,
    { on: "io32", words: [LEAVE_ASPM] },
    { on: "io8", words: [[0xd3, 1 << 7, 0]] },
    // Register 0x1e is written as observed.
    { on: "ephy", words: [[0x19, 0xff64], [0x1e, 0, 0x4000]] },
    {
      on: "eri",
      words: [
        // Sizes of the static and of the dynamic part of the receive FIFO and of the transmit FIFO.
        [0xc8, 0x0000_0002], [0xe8, 0x0000_0006],
        // Resets the packet filter.
        [0xdc, 1 << 0, 0], [0xdc, 0, 1 << 0],
        [0xc0, 0xffff, 0], [0xb8, 0xffff, 0],
        // Enables events that make the link leave L1. Realtek's driver sets only bits 10 and 11.
        [0xd4, 0xff00, 0x0e00],
        // Disables EEE.
        [0x1b0, 0xffff, 0],
      ],
    },
    NOT_TO_L23,
    { on: "eri", words: [[0xd4, 0, 0x0c00]] },
  ],
  phy: [...awake(20_000), noEee(0x401f)],
};

// prettier-ignore
// oxfmt-ignore
export const START_8106E: Start = {
  mac: [
    // Bit 23 disables listening to the network in low power.
    { on: "io32", words: [LEAVE_ASPM, [0xf0, EARLY_TALLY, 1 << 23]] },
    // Bit 6 of DLLPR is cleared, as observed; Realtek's driver sets it.
    { on: "io8", words: [OUT_OF_BAND, [0xd0, 1 << 6, 0]] },
    // The link enters L0s after it was idle for 7 µs, and L1 after 32 µs.
    { on: "csi", words: [[0x70c, 0xff00_0000, 0x2f00_0000]] },
    { on: "eri", words: [[0x1d0, 0xffff, 0], [0x1b0, 0xffff, 0]] },
    NOT_TO_L23,
  ],
  phy: [...awake(100_000), noEee(0xc07f)],
};
