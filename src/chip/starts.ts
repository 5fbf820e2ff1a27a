/** The start-up sequences of each chip that the driver can bring up. */
import type { ChipKey } from "./chips.ts";
import { START_8168H, START_8168M } from "./start/8168h.ts";
import type { Start } from "./steps.ts";

/** A chip of which nothing is known beyond its procedures. */
const NOTHING: Start = { mac: [], phy: [] };

export const STARTS: Readonly<Partial<Record<ChipKey | "rtl8139cp", Start>>> = {
  rtl8139cp: NOTHING,
  rtl8168h: START_8168H,
  // DPDK has other values for these two steppings, Linux the same.
  "rtl8168h-100": START_8168H,
  "rtl8168h-300": START_8168H,
  rtl8116af: START_8168H,
  rtl8107e: START_8168H,
  rtl8168m: START_8168M,
};
