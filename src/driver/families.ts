/** Which chips can be driven, and how each of them is brought up. */
import type { Chip } from "#chip/chips.ts";
import type { Die } from "#chip/profiles.ts";
import type { Family } from "./family.ts";
import { RTL8139CP } from "./rtl8139cp.ts";
import { RTL8168H } from "./rtl8168h.ts";

const FAMILIES: Partial<Record<Die, Family>> = {
  "8139cp": RTL8139CP,
  "8168g": RTL8168H,
  "8168h": RTL8168H,
  "8116af": RTL8168H,
  "8168ep": RTL8168H,
};

/** The chip's family, or undefined when its bring-up is not written yet. */
export const familyOf = (chip: Chip): Family | undefined => FAMILIES[chip.die];
