/** Limits of interrupt moderation: their registers and units on each chip. */
import type { Chip } from "#chip/chips.ts";
import { MITIGATION_SCALES, Mitigation, mitigationUnitNanos } from "#chip/moderation.ts";
import type { Queues } from "#chip/queues.ts";
import { CPlus, CPlusCmd, IntrMitigate } from "#chip/registers.ts";
import { INT_CFG0, INT_MITI, IntCfg0 } from "#chip/registers-8125.ts";
import type { Limits } from "./moderation.ts";
import type { Page } from "../registers/page.ts";

const NONE: Limits = { time: 0, frames: 0 };
/** Length in bytes of a moderation block. */
const BLOCK = 8;
/** Offset of the transmit part in a block. */
const TRANSMIT = 2;

interface LimitSource {
  readonly limits: () => Limits;
  /** The unit of time in microseconds at present. */
  readonly unitMicros: () => number;
}

export const limitsOf = (
  parts: { readonly chip: Chip; readonly page: Page; readonly speed: () => number },
  queues: Queues,
  index: number,
  direction: "receive" | "transmit",
): LimitSource =>
  queues.moderationBlocks > 0 ? inBlocks(parts.page, queues, index, direction) : inOneWord(parts, direction);

const inOneWord = (
  { chip, page, speed }: { readonly chip: Chip; readonly page: Page; readonly speed: () => number },
  direction: "receive" | "transmit",
): LimitSource => {
  const at = Mitigation[direction];
  return {
    limits: () => {
      const word = page.get(IntrMitigate, 2);
      const counts = (page.get(CPlusCmd, 2) & CPlus.packetCounterOff) === 0;
      const frames = (word >>> at.frames) & Mitigation.max;
      return { time: (word >>> at.time) & Mitigation.max, frames: counts ? Mitigation.framesUnit * frames : 0 };
    },
    unitMicros: () => {
      const scale = MITIGATION_SCALES[page.get(CPlusCmd, 2) & CPlus.coalescingUnit]!;
      return (mitigationUnitNanos(chip.bus, speed()) * scale) / 1000;
    },
  };
};

/**
 * Each queue has a block with one byte of delay for each direction. No source says whether the byte after each delay
 * is a limit of frames. The model ignores these bytes, the blocks that belong to no queue, and IntCfg0.timeoutBypass.
 */
const inBlocks = (page: Page, queues: Queues, index: number, direction: "receive" | "transmit"): LimitSource => {
  const at = INT_MITI[0]! + BLOCK * index + (direction === "transmit" ? TRANSMIT : 0);
  return {
    limits: () =>
      (page.get(INT_CFG0, 1) & IntCfg0.mitigationBypass) === 0 ? { time: page.get(at, 1), frames: 0 } : NONE,
    unitMicros: () => queues.moderationMicros,
  };
};
