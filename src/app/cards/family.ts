/** Which PCI functions are cards that the driver takes. */
import { PCI_IDS } from "#chip/chips.ts";
import { matches, type PciId } from "#kit/device.ts";

/** RTL8139, RTL8139C, and from this revision on RTL8139C+, which has the family's descriptors. (FreeBSD if_re.c) */
const RTL8139 = { vendor: 0x10ec, device: 0x8139 } as const;
const RTL8139C_PLUS = 0x20;

/** Whether the card is one of the family's. */
export const isOfFamily = (id: PciId): boolean => {
  if (matches(RTL8139, id)) return id.revision >= RTL8139C_PLUS;
  return PCI_IDS.some((row) => matches(row, id));
};

/** Whether it is the card the family grew out of, which this driver does not take: another engine. */
export const isOlderRelative = (id: PciId): boolean => matches(RTL8139, id) && !isOfFamily(id);
