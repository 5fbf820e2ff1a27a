/** Options of a model. */
import type { Chip } from "#chip/chips.ts";
import type { InterruptKind } from "#chip/pci-function.ts";
import type { PciIdentity } from "#chip/pci-identity.ts";
import type { Timers } from "#kit/clock.ts";
import type { Medium } from "./phy/medium.ts";
import type { Offence, Strictness } from "./observation/strict.ts";

/** A board whose station address registers do not have the factory's address. */
export interface DamagedAddress {
  /** The value that the station address registers load at power-on. */
  readonly registers: Uint8Array;
  /**
   * Whether the other places (extended register 0xe0, backup registers, EEPROM) contain the factory's address. If
   * false, they are blank.
   */
  readonly copies: boolean;
}

export interface ModelOptions {
  readonly chip: Chip;
  /** Station address in the chip's EEPROM: a unicast address. */
  readonly mac: string | Uint8Array;
  readonly damagedAddress?: DamagedAddress;
  readonly clock: { now(): number };
  /** Timers of the model. The owner of the clock runs them. */
  readonly timers: Timers;
  /** How offences are handled; default `warn`. */
  readonly strict?: Strictness;
  /** PCI identity in the EEPROM, if the board's manufacturer replaced the chip's own. */
  readonly identity?: Partial<PciIdentity>;
  /** The best kind of interrupt that configuration space offers; default: the best that the chip has. */
  readonly interrupts?: InterruptKind | undefined;
  readonly report?: (offence: Offence) => void;
  /** `pageBytes(chip)` bytes of memory for the registers and configuration space, shared if a bus exposes them. */
  readonly memory?: ArrayBufferLike;
  /**
   * Whether other threads may see a thread's stores in another order (arm64). If so, a store that makes earlier stores
   * visible uses Atomics. Default true.
   */
  readonly weaklyOrdered?: boolean;
  /** Duration in microseconds of an access to an indirect register or the PHY, and of a counter dump; default 0. */
  readonly accessMicros?: number;
  /** Duration of autonegotiation in microseconds; default 2000. Real link partners take seconds. */
  readonly negotiateMicros?: number;
  /** Duration of a PHY reset or wake-up in microseconds; default 1000. */
  readonly phyResetMicros?: number;
  /**
   * Whether the FCS of received frames is computed and written to the buffers, which takes one or two nanoseconds for
   * each byte. Default false: the length then includes the four bytes of the FCS, but they are not written.
   */
  readonly frameCheck?: boolean;
  /** Whether management firmware (DASH) runs in chips that have a controller for it; default false. */
  readonly managed?: boolean;
  /** The medium, default copper. An 8127 may have an SFP cage; it is then an RTL8127ATF. */
  readonly medium?: Medium | undefined;
}
