/**
 * What differs from one family of chips to the next: values, and the few steps of bring-up that are a family's own.
 *
 * The checklist in `bring-up.ts` is the same for all. A difference of value between chips of one family is a matter for
 * the chip table; a difference of procedure is a step here.
 */
import type { Chip } from "#chip/chips.ts";
import type { Start } from "#chip/steps.ts";
import type { Clock } from "#kit/clock.ts";
import type { Mmio } from "#kit/mmio.ts";
import type { Program } from "./firmware.ts";
import type { ReceiveFormat, TransmitFormat } from "./descriptor-formats.ts";
import type { InterruptRegisters } from "./interrupt-registers.ts";

/** The PHY's clause 22 registers, 0 to 31, and those on its pages (0 unless given), however they are reached. */
export interface PhyBus {
  read(register: number, page?: number): number;
  write(register: number, value: number, page?: number): void;
}

/** The link as the MAC sees it. Speed in Mbit/s. */
export interface MacLink {
  readonly up: boolean;
  readonly speed: number;
  readonly fullDuplex: boolean;
}

/** A chip that has been identified. */
export interface Card {
  readonly io: Mmio;
  readonly clock: Clock;
  readonly chip: Chip;
}

/** Waits that ended by their limit without ending bring-up: their number, and what the last one was for. */
export class Overdue {
  count = 0;
  /** Empty until there was one. */
  last = "";

  note(what: string): void {
    this.count++;
    this.last = what;
  }
}

/** What the steps work on. */
export interface Hardware extends Card {
  readonly family: Family;
  readonly phy: PhyBus;
  /** What the chip is started with. */
  readonly start: Start;
  /** The chip's firmware, checked; undefined where there is none. */
  readonly firmware?: Program | undefined;
  readonly overdue: Overdue;
}

export interface Family {
  /** Bytes of registers; a smaller window is not this chip's. */
  readonly windowBytes: number;
  /** Most descriptors in a ring. */
  readonly ringLimit: number;
  readonly receive: ReceiveFormat;
  readonly transmit: TransmitFormat;
  /** Sums and segments IPv6 as well as IPv4. */
  readonly offloadsIpv6: boolean;
  readonly interrupts: InterruptRegisters;
  /** What tells the NIC that there is something to send. */
  doorbell(io: Mmio): () => void;
  /** CPlusCmd: receive offloads, and what the chip needs besides. */
  readonly command: number;
  /** More of it for rings above 4 GiB: PCI chips want to be told that addresses have a high half. */
  readonly commandAbove4GiB: number;
  /** RxConfig without its accept bits. */
  readonly receiveConfig: number;

  phy(card: Card): PhyBus;
  link(hw: Hardware): MacLink;

  /** Waits until both directions have come to rest, so that a reset loses nothing. */
  readonly drain: Step;
  /** Takes the MAC from whoever had it while there was no driver. */
  readonly takeOver: Step;
  /** What is special between reset and the rings; configuration is unlocked. */
  readonly prepare: Step;
  /** @param largest bytes of a frame with FCS, as large as a receive buffer */
  limitFrames(hw: Hardware, largest: number): void;
  /** Starts transmitter and receiver: from here on they use the rings. */
  readonly enable: Step;
}

type Step = (hw: Hardware) => void;

/** A step that a family does not have. */
export const nothing = (): void => {};
