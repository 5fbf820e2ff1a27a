/** What a NIC's cable is made of. */
import type { Chip } from "#chip/chips.ts";
import { OutOfRange } from "#kit/errors.ts";

export const MEDIA = ["copper", "fibre"] as const;
export type Medium = (typeof MEDIA)[number];

/** Whether there are boards with this chip and a cage for an SFP module that the chip itself drives. */
export const takesModules = (chip: Chip): boolean => chip.profile.registers.includes("serdes");

/** @throws {OutOfRange} when such a chip has no such version */
export const isFibre = ({ chip, medium }: { readonly chip: Chip; readonly medium?: Medium | undefined }): boolean => {
  if (medium !== "fibre") return false;
  if (!takesModules(chip)) throw new OutOfRange(`fibre on ${chip.name}`);
  return true;
};
