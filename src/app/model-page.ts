/** Which of the model's registers a threaded bus may read from the shared page, and how. */
import type { PageRules } from "#bus/threaded.ts";
import { IntrStatus } from "#chip/registers.ts";
import { RAISED_AT, READ_HAS_EFFECT } from "#model/registers/page.ts";

/** The memory BAR that holds the registers on PCI Express chips. */
export const REGISTERS = 2;

export const MODEL_PAGE: PageRules = {
  registers: REGISTERS,
  asked: READ_HAS_EFFECT.map(({ offset }) => offset),
  // An interrupt's cause may be read while earlier writes are on their way: acknowledging is what must not overtake.
  relaxed: [IntrStatus],
  eventsWord: RAISED_AT >> 2,
};
