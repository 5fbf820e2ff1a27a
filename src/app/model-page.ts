/** Which of a model's registers a threaded bus may read from the shared page, and how. */
import type { PageRules } from "#bus/threaded.ts";
import type { Chip } from "#chip/chips.ts";
import { ISR0 } from "#chip/registers-8125.ts";
import { ChipCmd, IntrStatus } from "#chip/registers.ts";
import { raisedAt, registerBytes } from "#model/registers/page.ts";
import { readHasEffect } from "#model/registers/register-set.ts";

export const modelPage = (chip: Chip): PageRules => ({
  bytes: registerBytes(chip),
  registers: chip.profile.function.registersBar,
  // The model has to see that a driver reads the end of a reset: its strict mode reports one that does not.
  asked: [...readHasEffect(chip), ChipCmd],
  // An interrupt's cause may be read while earlier writes are on their way: acknowledging is what must not overtake.
  relaxed: [chip.profile.mac.interrupts === 16 ? IntrStatus : ISR0],
  eventsWord: raisedAt(chip) >> 2,
});
