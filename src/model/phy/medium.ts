/** The medium of a NIC: copper or fibre. */
import type { Chip } from "#chip/chips.ts";
import { OutOfRange } from "#kit/errors.ts";

export const MEDIA = ["copper", "fibre"] as const;
export type Medium = (typeof MEDIA)[number];

/** Whether there are boards on which this chip drives an SFP cage. */
export const takesModules = (chip: Chip): boolean => chip.profile.registers.includes("serdes");

/** @throws {OutOfRange} if the chip has no fibre variant */
export const isFibre = ({ chip, medium }: { readonly chip: Chip; readonly medium?: Medium | undefined }): boolean => {
  if (medium !== "fibre") return false;
  if (!takesModules(chip)) throw new OutOfRange(`${chip.name} has no fibre variant`);
  return true;
};
