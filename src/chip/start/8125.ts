/**
 * The part of the start-up sequence that RTL8125, 8126, 8127 and 9151 have in common.
 *
 * Source: DPDK `drivers/net/r8169/r8169_hw.c` (BSD-3-Clause, Realtek): `rtl8125_hw_config`, `rtl_hw_init`,
 * `rtl_exit_oob`; `r8169_phy.c`: `rtl_hw_phy_config`. Source: FreeBSD `sys/dev/rge/if_rge.c` (BSD-2-Clause) and
 * `if_re.c` of Realtek's FreeBSD driver (BSD-4-Clause, Realtek; values only): receive side scaling and queues.
 */
import { PARAMETER_8125, PARAMETER_8168G, type Procedure, type Start, type Step, type Word } from "../steps.ts";

/** Writes PHY registers by their OCP addresses. */
export const ocp = (words: readonly Word[]): Step => ({ on: "phy", words });
/** Write words of the first and of the second memory of the PHY's MCU. */
export const memory = (words: readonly Word[]): Step => ({ through: PARAMETER_8168G, words });
export const memory2 = (words: readonly Word[]): Step => ({ through: PARAMETER_8125, words });
/** For each memory, the register for the address. The next register holds the data. */
export const MEMORY = 0xa436;
export const MEMORY2 = 0xb87c;
/** Writes consecutive words of a memory, from an address on. */
export const row = (window: number, from: number, values: readonly number[]): Step =>
  ocp([[window, from], ...values.map((value): Word => [window + 2, value])]);

/** Stop the PHY's MCU, which must not use the registers that are written next, and let it run again. */
export const REQUEST: Step = { call: "requestPhyPatch" };
export const RELEASE: Step = { call: "releasePhyPatch" };

interface Own {
  readonly thresholds: Procedure;
  /** Words that are written to configuration space. */
  readonly config: readonly Word[];
  readonly pciePhy: readonly Word[];
  readonly registers: readonly Step[];
}

/** Configuration space 0x108: mask of PCI Express errors that are not reported. */
export const UNREPORTED: Word = [0x108, 0, 1 << 20];
/** Disables a time-out in L1 (8126, 8127). */
export const L1_WITHOUT_LIMIT: Word = [0x890, 1 << 0, 0];

/**
 * MAC-OCP 0xeb58: selects the standard format of transmit descriptors. The 8126 and 8127 have an additional bit for it.
 */
export const USUAL_DESCRIPTORS: Word = [0xeb58, 1 << 0, 0];
export const USUAL_DESCRIPTORS_8126: Word = [0xeb58, (1 << 1) | (1 << 0), 0];
/** MAC-OCP 0xe614: bits 11:8 are the number of transmit tags in use. */
export const transmitTags = (count: number): Word => [0xe614, count > 7 ? 0x0f00 : 0x0700, count << 8];
/** 8125BP and later: selects the standard format of receive descriptors. */
export const USUAL_RECEIVE: Step = { on: "io8", words: [[0xd8, 1 << 1, 0]] };
/** 8125A and 8125B: configures the TCAM, a memory for classifying frames. */
export const TCAM: Step = { on: "io16", words: [[0x382, 0x221b]] };
/** INT_CFG1, on chips with a bypass for each vector. */
export const NO_BYPASS: Step = { on: "io16", words: [[0x7a, 0]] };
/** Words that only the 8125CP and the 8127 need. */
export const OWN_8125CP: readonly Word[] = [
  [0xe00c, 1 << 12, 0],
  [0xc0c2, 1 << 6, 0],
];

/** MAC-OCP words that are written after the chip's own words. */
const MAC: readonly Word[] = [
  // Clears and sets bit 0, "TXPLA packet valid start", then sets bits 3 and 2.
  [0xc0b4, 1 << 0, 0],
  [0xc0b4, 0, 1 << 0],
  [0xc0b4, 0, (1 << 3) | (1 << 2)],
  [0xeb6a, 0x00ff, 0x0033],
  [0xeb50, 0x03e0, 1 << 6],
  [0xe056, 0x00f0, 0],
  // Clears a bit of the MAC's EEE register.
  [0xe040, 1 << 12, 0],
  [0xe080, 1 << 1, 0],
  [0xea1c, 0x0003, 0x0001],
  [0xe052, (1 << 7) | (1 << 3), (1 << 6) | (1 << 5)],
  // Enables the events that make the link leave L1.
  [0xc0ac, 0, 0x1f80],
  [0xd430, 0x0fff, 0x045f],
  [0xe098, 0xc302],
];

export const mac8125 = (own: Own): readonly Step[] => [
  { call: own.thresholds },
  {
    on: "mac",
    words: [
      [0xc01e, 0x5555],
      // Disables wake-up patterns that another operating system's driver has left.
      [0xc0bc, 0x00ff],
      // Turns ultra power saving off.
      [0xd40a, 1 << 4, 0],
    ],
  },
  // Stops forcing the reference clock on.
  { on: "io8", words: [[0xf1, 1 << 7, 0]] },
  { on: "csi", words: own.config },
  { on: "ephy", words: own.pciePhy },
  {
    on: "io8",
    words: [
      // Keeps the speed while waiting for wake-up.
      [0x52, 1 << 4, 0],
      // Selects one interrupt vector, without bypasses.
      [0x34, 0],
    ],
  },
  {
    on: "mac",
    words: [
      // Disables wake-up by magic packet and by checksum.
      [0xc0b6, 0],
      [0xc140, 0xffff],
      [0xc142, 0xffff],
    ],
  },
  ...own.registers,
  { on: "mac", words: MAC },
  { call: "saveLinkPower" },
  // Empties the TCAM.
  { on: "mac", words: [[0xeb54, 0, 1 << 0]] },
  { wait: 1 },
  { on: "mac", words: [[0xeb54, 1 << 0, 0]] },
  {
    on: "io16",
    words: [
      [0x1880, (1 << 5) | (1 << 4), 0],
      // Selects one receive queue.
      [0x4800, 0],
    ],
  },
  {
    on: "io32",
    words: [
      // Disables receive side scaling and the four timers.
      [0x4500, 0],
      [0x58, 0],
      [0x5c, 0],
      [0x8c, 0],
      [0xf4, 0],
    ],
  },
];

/** @param own steps between the firmware file and the end */
export const phy8125 = (own: readonly Step[]): Start["phy"] => [
  { firmware: "phy" },
  ...own,
  ocp([
    // Disables ALDPS, because with it a link partner that is slow to wake up loses traffic in the first seconds.
    [0xa430, 1 << 2, 0],
    // A forced speed is set through the clause 22 registers.
    [0xa5b4, 1 << 15, 0],
  ]),
];
