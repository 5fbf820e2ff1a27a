/**
 * What chips before the RTL8168G have in common.
 *
 * Source: observed: Linux 6.12.117's r8169 on the model, by `npm run derive`.
 */
import type { Step, Word } from "../steps.ts";

/** The PHY has no interrupts of its own. */
const NO_INTERRUPTS: Word = [0x12, 0x0000];
/** Out of a power-down that another driver may have left the PHY in. */
const POWERED: Word = [0x0e, 0x0000];
/** What Linux's driver for these PHYs writes before any tuning; later ones have clause 45 in the second register. */
export const AWAKE: Step = { page: 0, words: [NO_INTERRUPTS, POWERED] };
export const WITHOUT_INTERRUPTS: Step = { page: 0, words: [NO_INTERRUPTS] };

/** On PCI Express: how long the link is idle before it enters L0s and L1, 7 and 16 µs. */
export const ENTRY_LATENCY: Step = { on: "csi", words: [[0x70c, 0xff00_0000, 0x2700_0000]] };
/** On PCI Express, Config3: no beacon. */
export const NO_BEACON: Word = [0x54, 1 << 0, 0];
