/**
 * What chips before the RTL8168G have in common.
 *
 * Source: observed: Linux 6.12.117's r8169 on the model, by `npm run derive`.
 */
import type { Step, Word } from "../steps.ts";

/** Disables the PHY's own interrupts. */
const NO_INTERRUPTS: Word = [0x12, 0x0000];
/** Leaves a power-down that another driver may have set. */
const POWERED: Word = [0x0e, 0x0000];
/**
 * Linux's driver writes these two registers of the PHY before it tunes the PHY. On later PHYs, clause 45 registers are
 * accessed through the second one.
 */
export const AWAKE: Step = { page: 0, words: [NO_INTERRUPTS, POWERED] };
export const WITHOUT_INTERRUPTS: Step = { page: 0, words: [NO_INTERRUPTS] };

/** PCI Express: the link enters L0s after it was idle for 7 µs, and L1 after 16 µs. */
export const ENTRY_LATENCY: Step = { on: "csi", words: [[0x70c, 0xff00_0000, 0x2700_0000]] };
/** PCI Express: disables the beacon (Config3). */
export const NO_BEACON: Word = [0x54, 1 << 0, 0];
