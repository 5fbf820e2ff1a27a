/**
 * PCI ids of each chip. As far as is known, these are the chip's defaults; the subsystem id is that of boards whose
 * vendor set none. A board's vendor may have stored other ids in the EEPROM.
 *
 * Device ids are those that drivers list. Revisions are less certain: some are from public `lspci` listings, few of
 * which name the chip; for the other chips, the revision of the preceding chip is assumed. Drivers identify the chip by
 * the XID, not by PCI ids.
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
