/**
 * What each chip calls itself on the bus. A board's maker may have put other numbers into the EEPROM; these are meant to
 * be the chips' own, with the subsystem that boards without numbers of their own show.
 *
 * Device numbers are those that drivers list. Revisions are less certain: some were read off public `lspci` listings, of
 * which few say what chip it is; the others are assumed, from the chip before. Drivers go by the XID, not by these.
 */
import type { Chip, Generation } from "./chips.ts";

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  readonly subsystemVendor: number;
  readonly subsystemDevice: number;
}

const REALTEK = 0x10ec;
const REFERENCE_BOARD = 0x0123;

/** Device and revision. */
const BY_GENERATION: Readonly<Record<Generation, readonly [device: number, revision: number]>> = {
  "8139cp": [0x8139, 0x20],
  "8169": [0x8169, 0x10],
  "8168b": [0x8168, 0x01],
  "8101": [0x8136, 0x01],
  "8168c": [0x8168, 0x02],
  "8102": [0x8136, 0x02],
  "8168d": [0x8168, 0x03],
  "8168dp": [0x8168, 0x04],
  "8168e": [0x8168, 0x06],
  "8105": [0x8136, 0x05],
  "8106": [0x8136, 0x07],
  "8168evl": [0x8168, 0x06],
  "8402": [0x8136, 0x06],
  "8168f": [0x8168, 0x09],
  "8168g": [0x8168, 0x0c],
  "8168h": [0x8168, 0x15],
  "8168ep": [0x8168, 0x0e],
  "8125": [0x8125, 0x05],
  "8126": [0x8126, 0x01],
  // Revision 04 of RTL8127 is the one with a management controller.
  "8127": [0x8127, 0x05],
};

const EXCEPTIONS: Readonly<Record<string, readonly [device: number, revision: number]>> = {
  "rtl8169sc-980": [0x8167, 0x10],
  "rtl8169sc-180": [0x8167, 0x10],
  rtl8411: [0x8168, 0x0a],
  rtl8168gu: [0x8168, 0x10],
  rtl8106eus: [0x8136, 0x10],
  rtl8107e: [0x8136, 0x15],
  rtl8168m: [0x8161, 0x15],
  rtl8411b: [0x8168, 0x12],
  "rtl8117-54a": [0x8168, 0x1a],
  "rtl8117-54b": [0x8168, 0x1b],
  rtl8125a: [0x8125, 0x01],
};

export const identityOf = (chip: Chip): PciIdentity => {
  const [device, revision] = EXCEPTIONS[chip.key] ?? BY_GENERATION[chip.generation];
  return {
    vendor: REALTEK,
    device,
    revision,
    subsystemVendor: REALTEK,
    subsystemDevice: chip.bus === "pci" ? device : REFERENCE_BOARD,
  };
};
