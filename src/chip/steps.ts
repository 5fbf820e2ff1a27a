/**
 * Start-up sequences as data: the values written to a chip's MAC and PHY at start, in order. `src/driver/steps.ts` runs
 * them.
 *
 * A sequence contains only values and order. A step whose writes depend on a register or on the MTU is a named
 * procedure.
 */

/**
 * `[address, value]` is a write. `[address, clear, set]` is a read, after which bits are cleared and set and the result
 * is written back.
 */
export type Word = readonly [address: number, value: number] | readonly [address: number, clear: number, set: number];

/**
 * Address spaces: registers of the window by width in bits; MAC-OCP; extended registers (32 bits); configuration space
 * as the chip itself reaches it (32 bits); the PCIe PHY; the PHY by its OCP address.
 */
export type Space = "io8" | "io16" | "io32" | "mac" | "eri" | "csi" | "ephy" | "phy";

/** Indirect access through two PHY registers: one for the address, one for the word at that address. */
export interface PhyWindow {
  readonly page: number;
  readonly address: number;
  readonly data: number;
}

/** RTL8168D to 8168F: parameters of the digital signal processor. */
export const PARAMETER_8168D: PhyWindow = { page: 5, address: 5, data: 6 };
/** RTL8168G and later (PHY-OCP 0xa436, 0xa438). */
export const PARAMETER_8168G: PhyWindow = { page: 0xa43, address: 19, data: 20 };
/** RTL8125 and later (PHY-OCP 0xb87c, 0xb87e). */
export const PARAMETER_8125: PhyWindow = { page: 0xb87, address: 22, data: 23 };

/** Steps that are more than a list of words: `src/driver/procedures*.ts`. */
export type Procedure =
  /** PCI interface timing of the RTL8169SC, XID 180 and 980: depends on the bus clock. */
  | "pciTiming180"
  | "pciTiming980"
  /** Resets the PHY once more and waits until the reset is complete. */
  | "resetPhy"
  /** RTL8168D (XID 281; XIDs 280, 282 and 283): sets the PHY's voltage regulator according to a fuse. */
  | "regulatorOf281"
  | "regulatorOf280"
  /** RTL8168E and 8168E-VL: writes the copies of the station address. */
  | "copyAddressToSecond"
  | "copyAddressToExtended"
  /** RTL8168G: PHY settings that depend on the PHY's status. */
  | "followPhyStatus"
  /**
   * RTL8168H: sets the bias of the PHY's converters from fuses; sets a length for each pair from what the PHY reports.
   */
  | "biasFromFuses"
  | "lengthForPairs"
  /** RTL8168H and 8117: sets the length of a millisecond from a count of the PHY's oscillator. */
  | "calibrateMillisecond"
  /** RTL8168EP and 8117: stops the management controller's traffic. */
  | "stopManagementMac"
  | "stopManagementMac8168fp"
  /** RTL8117: settings that depend on the package. */
  | "fitPackage"
  | "fifoThresholds8125"
  | "fifoThresholds8126"
  | "fifoThresholds8127"
  | "saveLinkPower"
  | "requestPhyPatch"
  | "releasePhyPatch"
  | "phyPowerSavingOff"
  | "phyInterruptsOff"
  | "swapPairs";

export type Step =
  | { readonly on: Space; readonly words: readonly Word[] }
  /** PHY registers on a page: 0 to 30, or 16 to 23 on the pages of an OCP PHY other than page 0. */
  | { readonly page: number; readonly words: readonly Word[] }
  /** RTL8168D to 8168F: page 7, in the bank that register 30 selects. */
  | { readonly extension: number; readonly words: readonly Word[] }
  | { readonly through: PhyWindow; readonly words: readonly Word[] }
  /** Waits this number of microseconds. */
  | { readonly wait: number }
  /**
   * Loads the chip's firmware file. If `when` is given, the file is loaded only if the word at that address has that
   * value.
   */
  | {
      readonly firmware: "phy" | "mac";
      readonly when?: { readonly through: PhyWindow; readonly word: readonly [address: number, value: number] };
    }
  /** Steps that need the firmware's code. They are skipped if the file was not loaded. */
  | { readonly withFirmware: readonly Step[] }
  | { readonly call: Procedure };

/** The start-up sequence of a chip. */
export interface Start {
  /** Runs between the reset and the set-up of the rings, while configuration is unlocked. */
  readonly mac: readonly Step[];
  /** Runs after a reset of the PHY, before the PHY negotiates. */
  readonly phy: readonly Step[];
  /** Runs each time the link has come up, by speed in Mbit/s; absent on most chips. */
  readonly linkUp?: Readonly<Record<10 | 100 | 1000, readonly Step[]>>;
  /** Runs after a change of the station address, on chips that keep copies of it. `mac` has these steps too. */
  readonly address?: readonly Step[];
}
