/** What kind of guest is wanted, as people write it. */
import { KERNELS, type KernelName } from "./parts.ts";
import { MACHINES } from "./processors.ts";
import type { RigOptions } from "./rig.ts";

export const USAGE = {
  chip: { type: "string" },
  kernel: { type: "string" },
  machine: { type: "string" },
  smp: { type: "string" },
  interrupts: { type: "string" },
  megabytes: { type: "string" },
} as const;

const among = <const T extends string>(what: string, text: string | undefined, known: readonly T[]): T | undefined => {
  const found = known.find((name) => name === text);
  if (found === undefined && text !== undefined)
    throw new Error(`--${what} is one of ${known.join(", ")}, not ${text}`);
  return found;
};

const count = (what: string, text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${what} is a number, not ${text}`);
  return value;
};

/** @throws {Error} that says what is possible */
export const optionsOf = (values: Partial<Record<keyof typeof USAGE, string>>): RigOptions => ({
  chip: values.chip ?? "rtl8168h",
  kernel: among<KernelName>("kernel", values.kernel, KERNELS),
  machine: among("machine", values.machine, MACHINES),
  smp: count("smp", values.smp),
  megabytes: count("megabytes", values.megabytes),
  interrupts: among("interrupts", values.interrupts, ["intx", "msi", "msix"]),
});
