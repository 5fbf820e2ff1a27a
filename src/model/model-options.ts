/** What a model is made from. */
import type { Chip } from "#chip/chips.ts";
import type { InterruptKind } from "#chip/pci-function.ts";
import type { PciIdentity } from "#chip/pci-identity.ts";
import type { Timers } from "#kit/clock.ts";
import type { Medium } from "./phy/medium.ts";
import type { Offence, Strictness } from "./observation/strict.ts";

/** A board whose station address cannot be read where it should be. */
export interface DamagedAddress {
  /** What the station address registers load at power-on. */
  readonly registers: Uint8Array;
  /** Whether the chip's other places (extended register 0xe0, backup registers, EEPROM) hold the factory's address, or are blank. */
  readonly copies: boolean;
}

export interface ModelOptions {
  readonly chip: Chip;
  /** Station address as in the chip's EEPROM; no group address. */
  readonly mac: string | Uint8Array;
  readonly damagedAddress?: DamagedAddress;
  readonly clock: { now(): number };
  /** Where the model's pending work is kept. Whoever owns the clock runs it. */
  readonly timers: Timers;
  /** What to do about offences; `warn` unless said otherwise. */
  readonly strict?: Strictness;
  /** What a board's maker has put into the EEPROM instead of the chip's own PCI identity. */
  readonly identity?: Partial<PciIdentity>;
  /** The best kind of interrupts that configuration space offers; all that the chip has, unless said otherwise. */
  readonly interrupts?: InterruptKind | undefined;
  readonly report?: (offence: Offence) => void;
  /** `pageBytes(chip)` of memory for the registers and configuration space: shared when a bus publishes them. */
  readonly memory?: ArrayBufferLike;
  /**
   * The CPU may show one thread's stores to another in another order (arm64), or nobody knows that it does not, which is
   * what is assumed unless said otherwise: stores that publish others then go through Atomics.
   */
  readonly weaklyOrdered?: boolean;
  /** How long an indirect register, PHY or counter dump takes, in microseconds; 0 unless said otherwise. */
  readonly accessMicros?: number;
  /** How long link partners negotiate, in microseconds; 2000 unless said otherwise. Real ones take seconds. */
  readonly negotiateMicros?: number;
  /** How long the PHY takes to reset or wake up, in microseconds; 1000 unless said otherwise. */
  readonly phyResetMicros?: number;
  /**
   * Received frames have their FCS behind them in the guest's buffers, computed anew for each; it takes a nanosecond or two
   * a byte. Unless asked for, its four bytes count in the length and are left as they were.
   */
  readonly frameCheck?: boolean;
  /** Management firmware (DASH) runs in chips that have a controller for it; not unless said otherwise. */
  readonly managed?: boolean;
  /** What the cable is: an 8127 may have a cage for an SFP module, which makes it an RTL8127ATF. Copper unless said otherwise. */
  readonly medium?: Medium | undefined;
}
