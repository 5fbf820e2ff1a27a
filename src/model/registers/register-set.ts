/** The registers of each chip: those of the whole family, and the additions of its generation. */
import type { Chip } from "#chip/chips.ts";
import { FAMILY } from "./behaviour.ts";
import { PCI } from "./behaviour-8169.ts";
import { MULTIGIGABIT } from "./behaviour-8125.ts";
import { flatten, type RegisterRow } from "./layer.ts";

/** All registers of the chip, in ascending order. */
export const registersOf = (chip: Chip): readonly RegisterRow[] => flatten([FAMILY, PCI, MULTIGIGABIT], chip);
