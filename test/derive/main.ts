/**
 * `npm run derive -- --chip KEY`: the start-up values that Linux's r8169 writes to a chip, from register traces of a guest.
 */
import { WrongUsage } from "#app/cli/usage.ts";
import { CHIPS, type Chip, chipNamed } from "#chip/chips.ts";
import { among } from "../guest/options.ts";
import { type KernelName, KERNELS } from "../guest/parts.ts";
import { argumentsOf, giveUp } from "../program.ts";
import { type Derived, derivedFrom } from "./derive.ts";
import { traceLinux } from "./linux.ts";
import { PHASES } from "./operations.ts";
import { traceOurs } from "./ours.ts";
import { differences, linesOf, sourceOf, stepsOf } from "./steps.ts";
import type { Traces } from "./unknown-registers.ts";

interface Wanted {
  readonly chips: readonly Chip[];
  readonly kernel: KernelName;
}

/** Chips whose PHY and MAC are reached as the tool can follow it. */
const FOLLOWED = (CHIPS as readonly Chip[]).filter(({ profile }) => profile.phyAccess !== "ocp");

const chipOf = (key: string): Chip => {
  const chip = chipNamed(key);
  if (chip !== undefined && FOLLOWED.includes(chip)) return chip;
  throw new WrongUsage(
    chip === undefined ? `there is no chip "${key}"` : `${key} has values with a source`,
    `Chips before the RTL8168G: ${FOLLOWED.map((each) => each.key).join(", ")}.`,
  );
};

const wanted = argumentsOf(
  {
    name: "derive",
    summary: "the start-up values of a chip, from what Linux's r8169 writes",
    about: [
      "Boots Debian's kernel under QEMU with three models of each chip, whose registers of unknown content read all zeros, all ones",
      "and something else: words that are stored, and bits that are set and cleared, are told apart so. Prints the steps for",
      "src/chip/start, what depends on what was read, and how they differ from those that are there: `-` there, `+` derived.",
      "Exit code 1 if any do. See docs/adding-a-chip.md.",
    ].join("\n"),
    operands: [],
    options: {
      chip: {
        kind: "value",
        placeholder: "KEYS",
        summary: "some of `ferrule model chips`, with commas; all before the RTL8168G unless given",
      },
      kernel: { kind: "value", placeholder: "KERNEL", summary: KERNELS.join(", "), default: "6.12" },
    },
    examples: ["npm run derive -- --chip rtl8102e-348", "npm run derive -- --chip rtl8168c-3c3,rtl8168cp-3c8"],
  },
  ({ chip, kernel }): Wanted => ({
    chips: chip === undefined ? FOLLOWED : chip.split(",").map(chipOf),
    kernel: among("kernel", kernel, KERNELS),
  }),
);

const linesFor = ({ changes, findings }: Derived): readonly string[] => [
  ...linesOf(stepsOf(changes)),
  ...findings.map((what) => `depends on what was read: ${what}`),
];

/** Prints what was derived. Whether it is what the chip's table has. */
const report = (chip: Chip, linux: Traces): boolean => {
  const ours = traceOurs(chip, chip.start);
  let same = true;
  for (const phase of PHASES) {
    const derived = derivedFrom(linux, phase);
    console.log(`${chip.key} ${phase}: [\n${sourceOf(stepsOf(derived.changes))}\n]`);
    for (const what of derived.findings) console.log(`// Depends on what was read: ${what}`);
    const different = differences(linesFor(derivedFrom(ours, phase)), linesFor(derived));
    for (const line of different) console.log(`// ${line}`);
    same &&= different.length === 0;
  }
  return same;
};

try {
  const { kernel, chips } = await traceLinux(wanted.chips, wanted.kernel);
  console.log(`// Linux ${kernel}`);
  let same = true;
  for (const [chip, traces] of chips) same = report(chip, traces) && same;
  process.exitCode = same ? 0 : 1;
} catch (error) {
  giveUp(error);
}
