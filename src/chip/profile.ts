/** The facts of a die: the type of the records in `profiles.ts`. */
import type { CableTestFacts } from "./cable-test.ts";
import type { EeeFacts, PhyBits } from "./eee.ts";
import type { FrameFacts } from "./frames.ts";
import type { MacFacts } from "./mac.ts";
import type { ManagementRegisters } from "./management.ts";
import type { PciFunction } from "./pci-function.ts";
import type { PhyKind } from "./phy-kinds.ts";
import type { Queues } from "./queues.ts";
import type { WakeFacts } from "./wake.ts";

/** Registers that only some dies have. */
export type RegisterBlock =
  /**
   * `pci`: registers that only PCI chips have. `express`: the registers that PCI Express chips have at the same
   * offsets.
   */
  | "pci"
  | "express"
  /** PHYAR. FreeBSD's re(4) also uses it for the PHYs of the 8168G and later. Whether the 8125 has it is not known. */
  | "mdio"
  /**
   * OCPDR, OCPAR, and RDSAR1 with the 8168DP's MDIO gate. Other chips have the registers of `linkPower` in place of
   * RDSAR1.
   */
  | "gate"
  | "linkPower"
  /**
   * Interrupt masks and status of additional queues. Apart from this driver, only Realtek's drivers for the 8168 use
   * them.
   */
  | "formerQueues"
  /** The indirection table of the 8168H. */
  | "steering"
  | "secondAddress"
  | "scratch"
  /** MACOCP and PHYOCP. */
  | "ocp"
  | "latency"
  | "efuse"
  /** The management controller's mailbox. */
  | "mailbox"
  | "multigigabit"
  /** The vectored interrupt words, from 8125B on. */
  | "vectored"
  /** Transmit ring pointers. Paired: two of 16 bits in one word; single: one of 32 bits; separate: two of 32 bits. */
  | "pairedPointers"
  | "singlePointers"
  | "separatePointers"
  | "fifoProtection"
  /** The PTP clock, on dies that have it in the MAC. */
  | "macClock"
  /** The SerDes of an SFP cage. */
  | "serdes";

export interface Profile {
  readonly function: PciFunction;
  readonly mac: MacFacts;
  readonly frames: FrameFacts;
  readonly queues: Queues;
  /** Number of timers with an interrupt. */
  readonly timers: 1 | 4;
  readonly registers: readonly RegisterBlock[];
  /** Writable bits of RxConfig and TxConfig. */
  readonly rxConfig: number;
  readonly txConfig: number;
  readonly phy: PhyKind;
  /**
   * Bit of MAC-OCP 0xdc04 that shows the state of a pin. If MISC_1 allows it, a board can disable the PHY with this pin
   * (DPDK rtl_is_in_phy_disable_mode).
   */
  readonly phySwitch?: number;
  /** How PHY registers are accessed. */
  readonly phyAccess: "registers" | "mdio" | "mdio-gated" | "ocp";
  /**
   * Whether the chip has MAC-OCP registers; with "paged" it has them, and the part of them that is firmware memory has
   * four pages.
   */
  readonly macOcp: "none" | "plain" | "paged";
  /**
   * Registers of the PCI Express PHY: 64 or 128 of them; banks of 32, selected by MAC-OCP 0xde28; or pages of 128,
   * selected by register 0x7e.
   */
  readonly pciePhy: "none" | "flat64" | "flat128" | "banked" | "paged";
  /** The type of memory that contains the station address and the PCI ids. */
  readonly memory: "eeprom" | "efuse";
  /** Where else, besides IDR, the factory's station address can be read: extended register 0xe0, or BACKUP_ADDR. */
  readonly addressCopies: readonly ("eri" | "backup")[];
  readonly management: ManagementRegisters | undefined;
  /** Tally counters: length of the largest dump in bytes, and whether DTCCR can clear the counters. */
  readonly tally: { readonly bytes: 64 | 192; readonly clearable: boolean };
  readonly wake: WakeFacts;
  /** Undefined if no driver enables energy-efficient Ethernet. */
  readonly eee?: EeeFacts;
  /** Bits that enable giga-lite (see `eee.ts`), in a PHY that supports it. */
  readonly gigaLite?: PhyBits;
  /** Undefined if no source describes a cable test. */
  readonly cableTest?: CableTestFacts;
  /** Where the PTP clock is: in the MAC or in the PHY; undefined if the die has none. */
  readonly ptp?: "mac" | "phy";
  /**
   * How the LEDs are configured: by Config1's patterns, by four bits for each LED in LED_CTRL, or by one word for each
   * LED.
   */
  readonly leds: "patterns" | "nibbles" | "words";
}
