/** PCI functions that the driver supports. */
import { PCI_IDS } from "#chip/chips.ts";
import { matches, type PciId, type PciMatch } from "#kit/device.ts";

/** Whether the card belongs to the family. */
export const isOfFamily = (id: PciId): boolean => PCI_IDS.some((row) => matches(row, id));

/** Whether the card has an older chip that the driver does not support: an RTL8139 without descriptors. */
export const isOlderRelative = (id: PciId): boolean =>
  !isOfFamily(id) &&
  PCI_IDS.some((row: PciMatch) => row.oldestRevision !== undefined && matches({ ...row, oldestRevision: 0 }, id));
