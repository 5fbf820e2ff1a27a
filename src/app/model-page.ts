/** The chip of a model, and the rules that say which of its registers a threaded bus may read from the shared page. */
import type { PageRules } from "#bus/threaded-channel.ts";
import { type Chip, chipNamed } from "#chip/chips.ts";
import { ISR0 } from "#chip/registers-8125.ts";
import { ChipCmd, IntrStatus } from "#chip/registers.ts";
import { OutOfRange } from "#kit/errors.ts";
import { raisedAt, registerBytes } from "#model/registers/page.ts";
import { readHasEffect } from "#model/registers/register-set.ts";

/** @throws {OutOfRange} for an unknown key */
export const modelChip = (key: string): Chip => {
  const chip = chipNamed(key);
  if (chip === undefined) throw new OutOfRange(`there is no chip ${key}`, "See `ferrule model chips` for the names.");
  return chip;
};

export const modelPage = (chip: Chip): PageRules => ({
  bytes: registerBytes(chip),
  registers: chip.profile.function.registersBar,
  // The model must see reads of ChipCmd, because strict mode reports a driver that does not wait for the end of a
  // reset.
  asked: [...readHasEffect(chip), ChipCmd],
  // The interrupt status may be read while earlier writes are pending. Only the write that acknowledges events must not
  // overtake earlier writes.
  relaxed: [chip.profile.mac.interrupts === 16 ? IntrStatus : ISR0],
  eventsWord: raisedAt(chip) >> 2,
});
