/** The driver's errors. */
import { FerruleError } from "#kit/errors.ts";

const hex = (value: number): string => `0x${value.toString(16)}`;

/** The chip table has no row for the chip's identification. */
export class UnknownChip extends FerruleError {
  readonly code = "UNKNOWN_CHIP";
  readonly hint = "Please report the identification: see CONTRIBUTING.md, “An unknown chip”.";
  readonly xid: number;
  constructor(xid: number) {
    super(`unknown chip: the chip table has no row for the identification ${hex(xid)}`);
    this.xid = xid;
  }
}

/** Two reads of the identification differ. */
export class ChangingIdentification extends FerruleError {
  readonly code = "CHANGING_IDENTIFICATION";
  readonly hint = "The card may have poor contact in its slot, or be in use by another driver.";
  readonly first: number;
  readonly second: number;
  constructor(first: number, second: number) {
    super(`the identification register first read ${hex(first)}, then ${hex(second)}: nothing was written to the chip`);
    this.first = first;
    this.second = second;
  }
}

/** The chip did not come out of reset. */
export class ResetTimeout extends FerruleError {
  readonly code = "RESET_TIMEOUT";
  readonly hint = "Check that memory space and bus mastering are enabled in the PCI command register.";
  readonly waitedMicros: number;
  constructor(fields: { waitedMicros: number; chipCmd: number }) {
    super(`still in reset after ${fields.waitedMicros} µs (ChipCmd = ${hex(fields.chipCmd)})`);
    this.waitedMicros = fields.waitedMicros;
  }
}

/** A register that is accessed through another register did not respond. */
export class SideBusTimeout extends FerruleError {
  readonly code = "SIDE_BUS_TIMEOUT";
  readonly hint = "The chip's controller hangs or sleeps. If a reset does not help, power the card off and on again.";
  constructor(fields: { bus: string; address: number; waitedMicros: number }) {
    super(`${fields.bus} register ${hex(fields.address)} did not respond within ${fields.waitedMicros} µs`);
  }
}

/** The MTU is more than the chip supports, or less than IP needs. */
export class BadMtu extends FerruleError {
  readonly code = "BAD_MTU";
  readonly hint: string;
  constructor(mtu: number, largest: number) {
    super(`an MTU of ${mtu} bytes is outside the range of this chip`);
    this.hint = `Use 68 to ${largest}.`;
  }
}

/** The ring's size is not a power of two, or is outside the range for this chip. */
export class BadRingSize extends FerruleError {
  readonly code = "BAD_RING_SIZE";
  readonly hint: string;
  constructor(slots: number, smallest: number, largest: number) {
    super(`this chip does not support rings of ${slots} descriptors`);
    this.hint = `Use a power of two from ${smallest} to ${largest}.`;
  }
}

/** The chip, or its bus, does not support this number of queues. */
export class BadQueues extends FerruleError {
  readonly code = "BAD_QUEUES";
  readonly hint: string;
  constructor(what: string, hint: string) {
    super(`${what} cannot be used`);
    this.hint = hint;
  }
}

/** The key or the indirection table of receive side scaling is invalid. */
export class BadRss extends FerruleError {
  readonly code = "BAD_RSS";
  readonly hint: string;
  constructor(what: string, hint: string) {
    super(`receive side scaling does not accept ${what}`);
    this.hint = hint;
  }
}

/** The chip cannot delay interrupts for the requested time or number of frames. */
export class BadModeration extends FerruleError {
  readonly code = "BAD_MODERATION";
  readonly hint: string;
  constructor(what: string, maxMicros: number, maxFrames: number) {
    super(`this chip cannot delay interrupts for ${what}`);
    const frames =
      maxFrames === 0 ? "; it has no limit of frames" : ` and, together with a time, 0 to ${maxFrames} frames`;
    this.hint =
      maxMicros === 0
        ? "It does not delay interrupts: use 0."
        : `Use 0 to ${maxMicros} µs${frames}, at this link speed.`;
  }
}

/** The chip does not support a setting. Nothing was written, and the previous setting is kept. */
export class BadLinkSetting extends FerruleError {
  readonly code = "BAD_LINK_SETTING";
  readonly hint: string;
  readonly what: string;
  constructor(chip: string, what: string, hint: string) {
    super(`${chip} does not support ${what}`);
    this.what = what;
    this.hint = hint;
  }
}

/** A pin of the board keeps the PHY switched off. The driver has not accessed the PHY. */
export class PhyDisabled extends FerruleError {
  readonly code = "PHY_DISABLED";
  readonly hint = "Enable the network port in the firmware's setup, or by the board's switch.";
  constructor(chip: string) {
    super(`the PHY of the ${chip} is switched off by the board`);
  }
}

/** The NIC does not support this wake-up event. */
export class NoWakeUp extends FerruleError {
  readonly code = "NO_WAKE_UP";
  readonly hint: string;
  constructor(form: string, supported: readonly string[]) {
    super(
      supported.length === 0 ? "the card cannot signal a wake-up event (PME)" : `no chip supports wake-up by ${form}`,
    );
    this.hint = supported.length === 0 ? "Wake-up needs another slot or card." : `Choose from ${supported.join(", ")}.`;
  }
}

/** The chip does not support the requested ASPM policy. The previous policy is kept. */
export class BadAspm extends FerruleError {
  readonly code = "BAD_ASPM";
  readonly hint = "Use `auto` or `off`.";
  constructor(chip: string, because: string) {
    super(`${chip} cannot use ASPM: ${because}`);
  }
}
