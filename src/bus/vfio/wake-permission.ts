/**
 * Whether a card may wake the machine. VFIO hides PME (status and enable bits read 0, writes to them are ignored); the
 * kernel enables PME when the machine is suspended, if `power/wakeup` allows it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { WakePermission } from "../function-power.ts";
import type { Roots } from "./vfio-card.ts";
import { WakeNotPermitted } from "./errors.ts";

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
};

export const wakePermission = (address: string, { sys }: Roots): WakePermission => {
  const path = join(sys, "bus/pci/devices", address, "power/wakeup");
  // The file is empty if the function cannot signal PME in any state.
  const capable = read(path) !== "";
  return {
    wakesFrom: { d3hot: capable, d3cold: capable },
    allowWake(on) {
      const wanted = on ? "enabled" : "disabled";
      if (!capable || read(path) === wanted) return;
      try {
        writeFileSync(path, wanted);
      } catch {
        if (on) throw new WakeNotPermitted(address, path);
      }
    },
  };
};
