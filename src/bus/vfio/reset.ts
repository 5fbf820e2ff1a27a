/** Resets by the kernel: of a function alone, or of its slot or bus. */
import { SystemError } from "#sys/errno.ts";
import type { DeviceInfo } from "#sys/vfio-structs.ts";
import type { Access } from "./access.ts";
import type { VfioCard } from "./vfio-card.ts";

/** `none`: neither is possible; only the chip's own reset remains. */
export type ResetKind = "function" | "bus" | "none";

/** Whether a reset of the bus affects only this process's group, which nobody else can use meanwhile. */
const onlyOurs = ({ file, proof }: Access, card: VfioCard): boolean => {
  const { byIdentity, allOurs, affected } = file.hotResetInfo();
  if (affected.length === 0) return false;
  if (byIdentity) return allOurs;
  return proof !== undefined && affected.every(({ owner }) => owner === card.group);
};

/** Resets the slot or bus if that is possible and affects only this process's group. */
const resetBus = (access: Access, card: VfioCard): boolean => {
  try {
    if (!onlyOurs(access, card)) return false;
    access.file.hotReset(access.proof ?? []);
    return true;
  } catch (error) {
    // ENODEV: no slot or bus can be reset. EPERM, EINVAL: the reset would affect other devices after all.
    if (!(error instanceof SystemError)) throw error;
    return false;
  }
};

/** Resets the function alone if possible, otherwise its slot or bus. The kernel preserves configuration space. */
export const reset = (access: Access, info: DeviceInfo, card: VfioCard): ResetKind => {
  if (info.resettable) {
    access.file.reset();
    return "function";
  }
  return resetBus(access, card) ? "bus" : "none";
};

/**
 * Resets the function to a known state. A function that can be reset alone was reset by the kernel when the device was
 * opened (`vfio_pci_core_enable`); doing it again would only cost up to 100 ms.
 */
export const resetAtStart = (access: Access, info: DeviceInfo, card: VfioCard): ResetKind =>
  info.resettable ? "function" : reset(access, info, card);
