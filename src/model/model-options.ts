/** Options of a model. */
import type { Chip } from "#chip/chips.ts";
import type { InterruptKind } from "#chip/pci-function.ts";
import type { PciIdentity } from "#chip/pci-identity.ts";
import type { Timers } from "#kit/clock.ts";
import type { Medium } from "./phy/medium.ts";
import type { Offence, Strictness } from "./observation/strict.ts";

/** A board whose station address is not in its usual place. */
export interface DamagedAddress {
  /** The value that the station address registers load at power-on. */
  readonly registers: Uint8Array;
  /**
   * Whether the other places (extended register 0xe0, backup registers, EEPROM) hold the factory's address, or are
   * blank.
   */
  readonly copies: boolean;
}

export interface ModelOptions {
  readonly chip: Chip;
  /** Station address in the chip's EEPROM; unicast. */
  readonly mac: string | Uint8Array;
  readonly damagedAddress?: DamagedAddress;
  readonly clock: { now(): number };
  /** Timers of the model. The owner of the clock runs them. */
  readonly timers: Timers;
  /** How offences are handled; default `warn`. */
  readonly strict?: Strictness;
  /** PCI identity in the EEPROM, if the board's manufacturer replaced the chip's own. */
  readonly identity?: Partial<PciIdentity>;
  /** The best kind of interrupt that configuration space offers; default: all that the chip has. */
  readonly interrupts?: InterruptKind | undefined;
  readonly report?: (offence: Offence) => void;
  /** `pageBytes(chip)` of memory for the registers and configuration space, shared if a bus exposes them. */
  readonly memory?: ArrayBufferLike;
  /**
   * The CPU may reorder a thread's stores as seen by other threads (arm64), so that stores that publish others go
   * through Atomics. Default true.
   */
  readonly weaklyOrdered?: boolean;
  /** Duration of an access to an indirect register, the PHY, or of a counter dump, in microseconds; default 0. */
  readonly accessMicros?: number;
  /** Duration of autonegotiation in microseconds; default 2000. Real link partners take seconds. */
  readonly negotiateMicros?: number;
  /** Duration of a PHY reset or wake-up in microseconds; default 1000. */
  readonly phyResetMicros?: number;
  /**
   * Write the FCS of received frames to the buffers, computed for each frame at one or two nanoseconds a byte. By
   * default its four bytes count in the length but are not written.
   */
  readonly frameCheck?: boolean;
  /** Management firmware (DASH) runs in chips that have a controller for it; default false. */
  readonly managed?: boolean;
  /** The medium: an 8127 may have an SFP cage, which makes it an RTL8127ATF. Default copper. */
  readonly medium?: Medium | undefined;
}
