/** The registers of each chip: those of the whole family, and the additions of its generation. */
import type { Chip } from "#chip/chips.ts";
import { FAMILY } from "./behaviour.ts";
import { PCI } from "./behaviour-8169.ts";
import { MULTIGIGABIT } from "./behaviour-8125.ts";
import { flatten, type RegisterRow } from "./layer.ts";

/** All registers of the chip, in order of their offsets. */
export const registersOf = (chip: Chip): readonly RegisterRow[] => flatten([FAMILY, PCI, MULTIGIGABIT], chip);

/**
 * Offsets of registers that are computed when they are read, so a bus must call the model for them. All others are
 * plain memory, including the interrupt status, for which see `raisedAt`.
 */
export const readHasEffect = (chip: Chip): readonly number[] =>
  registersOf(chip)
    .filter(({ onRead }) => onRead !== undefined && onRead !== "interruptObserve")
    .map(({ offset }) => offset);
