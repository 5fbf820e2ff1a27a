/** The chips on which ethtool is compared: one of each generation, and the most common one. */
import type { ChipKey } from "#chip/chips.ts";
import { GENERATIONS } from "../rigs/generations.ts";

export const CHIPS: readonly ChipKey[] = ["rtl8168h", ...GENERATIONS];
