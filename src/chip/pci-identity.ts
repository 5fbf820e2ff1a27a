/**
 * What each chip calls itself on the bus. A board's maker may have put other numbers into the EEPROM; these are meant to
 * be the chips' own, with the subsystem that boards without numbers of their own show.
 *
 * Device numbers are those that drivers list. Revisions are less certain: some were read off public `lspci` listings, of
 * which few say what chip it is; the others are assumed, from the chip before. Drivers go by the XID, not by these.
 */
import type { Chip } from "./chips.ts";

export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  readonly subsystemVendor: number;
  readonly subsystemDevice: number;
}

const REALTEK = 0x10ec;
const REFERENCE_BOARD = 0x0123;

export const identityOf = (chip: Chip): PciIdentity => {
  const [device, revision] = chip.pci;
  return {
    vendor: REALTEK,
    device,
    revision,
    subsystemVendor: REALTEK,
    subsystemDevice: chip.bus === "pci" ? device : REFERENCE_BOARD,
  };
};
