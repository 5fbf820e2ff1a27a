/** What Linux writes to a chip beside what our driver writes with the chip's values. */
import { CHIPS, type Chip } from "#chip/chips.ts";
import { type Derived, derivedFrom } from "./derive.ts";
import { type Phase, PHASES } from "./operations.ts";
import { traceOurs } from "./ours.ts";
import { differences, linesOf, stepsOf } from "./steps.ts";
import type { Traces } from "./unknown-registers.ts";

/** Chips whose values are all that Linux writes. */
export const BEFORE_8168G = (CHIPS as readonly Chip[]).filter(({ profile }) => profile.phyAccess !== "ocp");

export interface Compared {
  readonly phase: Phase;
  readonly derived: Derived;
  /** Lines that only ours has (`-`), and only Linux (`+`). */
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
