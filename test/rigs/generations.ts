/** The chips on which long tests run. */
import { CHIPS, type Chip, type ChipKey } from "#chip/chips.ts";

/** Whether every chip is tested; requested by FERRULE_EVERY_CHIP=1. */
export const EVERY = process.env["FERRULE_EVERY_CHIP"] === "1";

/** The first chip of each die. The other chips of the die differ from it only in values. */
export const DIES: readonly Chip[] = [
  ...new Map((CHIPS as readonly Chip[]).toReversed().map((chip) => [chip.die, chip])).values(),
].toReversed();

/** Chips for tests that run on one chip of each die, unless every chip is requested. */
export const CHIPS_UNDER_TEST: readonly Chip[] = EVERY ? CHIPS : DIES;

/** A chip of each generation. */
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
