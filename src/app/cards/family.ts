/** Which PCI functions are cards that the driver takes. */
import { PCI_IDS } from "#chip/chips.ts";
import { matches, type PciId, type PciMatch } from "#kit/device.ts";

/** Whether the card is one of the family's. */
export const isOfFamily = (id: PciId): boolean => PCI_IDS.some((row) => matches(row, id));

/** Whether it is older than what the driver takes of its kind: an RTL8139 without descriptors. */
export const isOlderRelative = (id: PciId): boolean =>
  !isOfFamily(id) &&
  PCI_IDS.some((row: PciMatch) => row.oldestRevision !== undefined && matches({ ...row, oldestRevision: 0 }, id));
