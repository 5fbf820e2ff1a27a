/** What is known of a die: the shape of a record in `profiles.ts`. */
import type { EeeFacts, PhyBits } from "./eee.ts";
import type { FrameFacts } from "./frames.ts";
import type { MacFacts } from "./mac.ts";
import type { ManagementRegisters } from "./management.ts";
import type { PciFunction } from "./pci-function.ts";
import type { PhyKind } from "./phy-kinds.ts";
import type { Queues } from "./queues.ts";
import type { WakeFacts } from "./wake.ts";

/** Registers that some dies have beyond those that all share. */
export type RegisterBlock =
  /** The PCI chips' own, and what all on PCI Express have in their place. */
  | "pci"
  | "express"
  /** PHYAR. FreeBSD's re(4) reaches the PHYs of 8168G and later through it too; of the 8125's nothing is known. */
  | "mdio"
  /** OCPAR and its data, which share a word with the gate of the 8168DP's MDIO; "linkPower" is what others have there. */
  | "gate"
  | "linkPower"
  /** Interrupt words of the queues that only Realtek's drivers for the 8168 know. */
  | "formerQueues"
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
  /** Transmit ring pointers: two of 16 bits in one word, one of 32 bits, two of 32 bits. */
  | "pairedPointers"
  | "singlePointers"
  | "separatePointers"
  | "fifoProtection"
  /** The SerDes of an SFP cage. */
  | "serdes";

export interface Profile {
  readonly function: PciFunction;
  readonly mac: MacFacts;
  readonly frames: FrameFacts;
  readonly queues: Queues;
  /** Timers with an interrupt. */
  readonly timers: 1 | 4;
  readonly registers: readonly RegisterBlock[];
  /** Bits of RxConfig and TxConfig that can be written. */
  readonly rxConfig: number;
  readonly txConfig: number;
  readonly phy: PhyKind;
  /**
   * Bit of MAC-OCP 0xdc04 that shows the pin by which a board switches the PHY off, where MISC_1 lets it (DPDK
   * rtl_is_in_phy_disable_mode).
   */
  readonly phySwitch?: number;
  /** How the PHY is reached. */
  readonly phyAccess: "registers" | "mdio" | "mdio-gated" | "ocp";
  /** The MAC controller's registers; "paged" has its firmware memory in four pages. */
  readonly macOcp: "none" | "plain" | "paged";
  /** The PCI Express PHY: 64 or 128 registers, banks of 32 chosen by MAC-OCP 0xde28, or pages of 128 chosen by register 0x7e. */
  readonly pciePhy: "none" | "flat64" | "flat128" | "banked" | "paged";
  /** What keeps the station address and the PCI identity. */
  readonly memory: "eeprom" | "efuse";
  /** Where the factory's station address is besides IDR: extended register 0xe0, or BACKUP_ADDR. */
  readonly addressCopies: readonly ("eri" | "backup")[];
  readonly management: ManagementRegisters | undefined;
  /** Bytes of the largest dump of the tally counters, and whether DTCCR can clear them. */
  readonly tally: { readonly bytes: 64 | 192; readonly clearable: boolean };
  readonly wake: WakeFacts;
  /** Undefined where no driver turns energy-efficient Ethernet on. */
  readonly eee?: EeeFacts;
  /** What allows a speed over two pairs, of a PHY that can. */
  readonly gigaLite?: PhyBits;
  /** How the LEDs are chosen: Config1's patterns, four bits each in LED_CTRL, or a word each. */
  readonly leds: "patterns" | "nibbles" | "words";
}
