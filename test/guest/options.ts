/** Command-line options that describe a guest. */
import type { Options, Values } from "#app/cli/arguments.ts";
import { parseChip } from "#app/cli/spec.ts";
import { didYouMean, WrongUsage } from "#app/terminal/usage.ts";
import { INTERRUPT_KINDS } from "#chip/pci-function.ts";
import { KERNELS } from "./parts.ts";
import { MACHINES } from "./processors.ts";
import type { RigOptions } from "./rig.ts";

export const GUEST_OPTIONS = {
  chip: { kind: "value", placeholder: "CHIP", summary: "see `ferrule model chips`", default: "rtl8168h" },
  kernel: { kind: "value", placeholder: "KERNEL", summary: KERNELS.join(", "), default: "6.12" },
  machine: {
    kind: "value",
    placeholder: "MACHINE",
    summary: `QEMU's machine: ${MACHINES.join(", ")}; default: the processor's usual one`,
  },
  smp: { kind: "value", placeholder: "N", summary: "processors", default: "1" },
  megabytes: { kind: "value", placeholder: "N", summary: "the guest's memory", default: "512" },
  interrupts: {
    kind: "value",
    placeholder: "KIND",
    summary: `highest kind of interrupt that the NIC offers: ${INTERRUPT_KINDS.join(", ")}; default: all that the chip has`,
  },
} as const satisfies Options;

/** Returns `text` if it is one of the known words. @throws {WrongUsage} */
export const among = <const T extends string>(what: string, text: string, known: readonly T[]): T => {
  const found = known.find((name) => name === text);
  if (found === undefined)
    throw new WrongUsage(`unknown ${what} "${text}"`, didYouMean(text, known, `Use one of ${known.join(", ")}.`));
  return found;
};

/** Returns the words of a comma-separated list, all of which must be known. @throws {WrongUsage} */
export const someOf = <const T extends string>(what: string, text: string, known: readonly T[]): readonly T[] =>
  text.split(",").map((each) => among(what, each, known));

/** Reads a whole number from `min` to `max`. @throws {WrongUsage} */
export const whole = (option: string, text: string, min: number, max: number): number => {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new WrongUsage(`--${option} ${text} is out of range`, `Write a whole number from ${min} to ${max}.`);
  return value;
};

/** @throws {WrongUsage} that lists the possible values */
export const optionsOf = (values: Values<typeof GUEST_OPTIONS>): RigOptions => ({
  chip: parseChip(values.chip).key,
  kernel: among("kernel", values.kernel, KERNELS),
  machine: values.machine === undefined ? undefined : among("machine", values.machine, MACHINES),
  smp: whole("smp", values.smp, 1, 64),
  megabytes: whole("megabytes", values.megabytes, 128, 65_536),
  interrupts:
    values.interrupts === undefined ? undefined : among("kind of interrupt", values.interrupts, INTERRUPT_KINDS),
});
