/** Resets of a function from outside: by its own way, or with its slot or bus. */
import { SystemError } from "#sys/errno.ts";
import type { DeviceInfo } from "#sys/vfio-structs.ts";
import type { Access } from "./access.ts";
import type { Card } from "./card.ts";

/** `none`: neither is possible, and the chip's own reset has to do. */
export type ResetKind = "function" | "bus" | "none";

/** Whether a reset of the bus would hit nothing but our group, which nobody else can use while we have it. */
const onlyOurs = ({ file, proof }: Access, card: Card): boolean => {
  const { byIdentity, allOurs, affected } = file.hotResetInfo();
  if (affected.length === 0) return false;
  if (byIdentity) return allOurs;
  return proof !== undefined && affected.every(({ owner }) => owner === card.group);
};

/** Resets the slot or bus where that is possible and hits no stranger. */
const resetBus = (access: Access, card: Card): boolean => {
  try {
    if (!onlyOurs(access, card)) return false;
    access.file.hotReset(access.proof ?? []);
    return true;
  } catch (error) {
    // ENODEV: there is no slot or bus that could be reset. EPERM, EINVAL: it is not ours alone after all.
    if (!(error instanceof SystemError)) throw error;
    return false;
  }
};

/** The kernel keeps configuration space as it was. */
export const reset = (access: Access, info: DeviceInfo, card: Card): ResetKind => {
  if (info.resettable) {
    access.file.reset();
    return "function";
  }
  return resetBus(access, card) ? "bus" : "none";
};

/**
 * A known state to start from. Where the function can be reset alone, the kernel did that when the device was opened
 * (`vfio_pci_core_enable`), and once more would only cost the 100 ms that a function may take after it.
 */
export const resetAtStart = (access: Access, info: DeviceInfo, card: Card): ResetKind =>
  info.resettable ? "function" : reset(access, info, card);
