/** Which registers each chip has: what the family shares, under what its generation brought. */
import type { Chip } from "#chip/chips.ts";
import { FAMILY } from "./behaviour.ts";
import { PCI } from "./behaviour-8169.ts";
import { MULTIGIGABIT } from "./behaviour-8125.ts";
import { flatten, type RegisterRow } from "./layer.ts";

/** Every register of the chip, in ascending order. */
export const registersOf = (chip: Chip): readonly RegisterRow[] => flatten([FAMILY, PCI, MULTIGIGABIT], chip);
