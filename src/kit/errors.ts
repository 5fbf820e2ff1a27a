/** Errors. Each has a message that says what was found, and a hint. */

/**
 * Base of almost all of Ferrule's error classes (the room `wire`, which imports nothing, has others). `code` is stable;
 * `hint` gives a likely cause or says what to do.
 */
export abstract class FerruleError extends Error {
  abstract readonly code: string;
  abstract readonly hint: string;

  override get name(): string {
    return this.constructor.name;
  }
}

/** A handle was used after its resource was released or its device was gone. */
export class Revoked extends FerruleError {
  readonly code = "REVOKED";
  readonly hint = "The device was unbound, reset or unplugged. Probe it again.";
  readonly what: string;
  constructor(what: string) {
    super(`${what} can no longer be used: it was released, or its device is gone`);
    this.what = what;
  }
}

/** A register was accessed while its PCI function was in a sleep state. */
export class Sleeping extends FerruleError {
  readonly code = "SLEEPING";
  readonly hint = "Resume it first.";
  readonly what: string;
  constructor(what: string) {
    super(`${what} was accessed while it was asleep`);
    this.what = what;
  }
}

/** An access was outside a register window or a memory region. */
export class OutOfWindow extends FerruleError {
  readonly code = "OUT_OF_WINDOW";
  readonly hint = "The region is smaller than this chip needs: check the BAR and the chip's identification.";
  readonly offset: number;
  readonly width: number;
  readonly length: number;
  constructor(fields: { what: string; offset: number; width: number; length: number }) {
    super(
      `${fields.what}: ${fields.width} bytes at 0x${fields.offset.toString(16)} are outside the window of 0x${fields.length.toString(16)} bytes`,
    );
    this.offset = fields.offset;
    this.width = fields.width;
    this.length = fields.length;
  }
}

/** A value is outside its range, or a call is not possible in the present state. */
export class OutOfRange extends FerruleError {
  readonly code = "OUT_OF_RANGE";
  readonly hint: string;
  constructor(message: string, hint = "Pass a value within the documented range.") {
    super(message);
    this.hint = hint;
  }
}

/** A wait has expired, usually because the hardware did not reach a state within the time limit. */
export class Timeout extends FerruleError {
  readonly code = "TIMEOUT";
  readonly hint: string;
  readonly waitedMicros: number;
  constructor(fields: { what: string; waitedMicros: number; hint?: string }) {
    super(`${fields.what}: timed out after ${fields.waitedMicros} µs`);
    this.waitedMicros = fields.waitedMicros;
    this.hint =
      fields.hint ?? "The device is hung, asleep or gone. Check power state and bus mastering, then reset it.";
  }
}

/** All bits read as one: the device has left the bus. */
export class DeviceGone extends FerruleError {
  readonly code = "DEVICE_GONE";
  readonly hint = "The card was unplugged, lost power or fell off the bus.";
  constructor(what: string) {
    super(`${what} reads all ones: the device is gone`);
  }
}

/** An object was used against its contract: a programming error, such as releasing a lock twice. */
export class Misuse extends FerruleError {
  readonly code = "MISUSE";
  readonly hint: string;
  constructor(message: string, hint = "Fix the caller; the stack trace names it.") {
    super(message);
    this.hint = hint;
  }
}

/**
 * The error that occurred first. If releasing resources fails after an error, JavaScript throws a SuppressedError that
 * contains both errors but has neither code nor hint.
 */
export const rootCause = (error: unknown): unknown =>
  error instanceof SuppressedError ? rootCause(error.suppressed) : error;

/**
 * Runs `act`; if it fails, throws the error that occurred first (see `rootCause`). For functions of the library's
 * interface.
 */
export const withRootCause = <T>(act: () => T): T => {
  try {
    return act();
  } catch (error) {
    throw rootCause(error);
  }
};
