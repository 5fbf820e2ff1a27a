/** A chip of each generation, for the rigs that take long. */
import type { ChipKey } from "#chip/chips.ts";

export const GENERATIONS = [
  "rtl8169sc-180",
  "rtl8168b",
  "rtl8168d-281",
  "rtl8168evl",
  "rtl8168g",
  "rtl8106e",
  "rtl8125b",
  "rtl8126a-64a",
  "rtl8127a",
] as const satisfies readonly ChipKey[];
