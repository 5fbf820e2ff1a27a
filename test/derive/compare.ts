/** Compares what Linux writes to a chip with what our driver writes. */
import { CHIPS, type Chip } from "#chip/chips.ts";
import { type Derived, derivedFrom } from "./derive.ts";
import { type Phase, PHASES } from "./operations.ts";
import { traceOurs } from "./ours.ts";
import { differences, linesOf, stepsOf } from "./steps.ts";
import type { Traces } from "./unknown-registers.ts";

/** Chips before the RTL8168G, whose start-up values are exactly those that Linux writes. */
export const BEFORE_8168G = (CHIPS as readonly Chip[]).filter(({ profile }) => profile.phyAccess !== "ocp");

export interface Compared {
  readonly phase: Phase;
  readonly derived: Derived;
  /** Lines that only our driver has (`-`), and lines that only Linux has (`+`). */
  readonly differences: readonly string[];
}

const linesFor = ({ changes, findings }: Derived): readonly string[] => [
  ...linesOf(stepsOf(changes)),
  ...findings.map((what) => `depends on what was read: ${what}`),
];

export const compare = (chip: Chip, linux: Traces): readonly Compared[] => {
  const ours = traceOurs(chip, chip.start);
  return PHASES.map((phase) => {
    const derived = derivedFrom(chip, linux, phase);
    return { phase, derived, differences: differences(linesFor(derivedFrom(chip, ours, phase)), linesFor(derived)) };
  });
};
