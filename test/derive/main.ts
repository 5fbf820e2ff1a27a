/** `npm run derive -- --chip KEY`: derives the start-up values that Linux's r8169 writes to a chip from register traces in a guest. */
import { parseChip } from "#app/cli/spec.ts";
import type { Chip } from "#chip/chips.ts";
import { among } from "../guest/options.ts";
import { type KernelName, KERNELS } from "../guest/parts.ts";
import { argumentsOf, giveUp } from "../program.ts";
import { compare, BEFORE_8168G } from "./compare.ts";
import { traceLinux } from "./linux.ts";
import { sourceOf, stepsOf } from "./steps.ts";
import type { Traces } from "./unknown-registers.ts";

interface Wanted {
  readonly chips: readonly Chip[];
  readonly kernel: KernelName;
}

const wanted = argumentsOf(
  {
    name: "derive",
    summary: "derive a chip's start-up values from what Linux's r8169 writes",
    about: [
      "Boots Debian's kernel under QEMU with three models of each chip. Registers of unknown content read as zeros in the first",
      "model, as ones in the second, and as other values in the third: the differences show which writes store a whole word and",
      "which change single bits. Prints the steps for src/chip/start, operations that depend on values read, and differences from",
      "the present steps: `-` present, `+` derived.",
      "Exit code 1 if the steps of a chip differ. See docs/adding-a-chip.md.",
    ].join("\n"),
    operands: [],
    options: {
      chip: {
        kind: "value",
        placeholder: "KEYS",
        summary: "keys of `ferrule model chips`, separated by commas; default: all before the RTL8168G",
      },
      kernel: { kind: "value", placeholder: "KERNEL", summary: KERNELS.join(", "), default: "6.12" },
    },
    examples: ["npm run derive -- --chip rtl8102e-348", "npm run derive -- --chip rtl8168c-3c3,rtl8168cp-3c8"],
  },
  ({ chip, kernel }): Wanted => ({
    chips: chip === undefined ? BEFORE_8168G : chip.split(",").map(parseChip),
    kernel: among("kernel", kernel, KERNELS),
  }),
);

/** Prints the derived steps. Returns whether they equal the chip's table. */
const report = (chip: Chip, linux: Traces): boolean => {
  const compared = compare(chip, linux);
  for (const { phase, derived, differences } of compared) {
    console.log(`${chip.key} ${phase}: [\n${sourceOf(stepsOf(derived.changes))}\n]`);
    for (const what of derived.findings) console.log(`// Depends on what was read: ${what}`);
    for (const line of differences) console.log(`// ${line}`);
  }
  return compared.every(({ differences }) => differences.length === 0);
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
