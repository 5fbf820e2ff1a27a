/** Errors say what was seen, carry it in fields, and hint at what to do. */

/** Every error Ferrule throws on purpose. `code` is stable and greppable; `hint` is one sentence that says what to do. */
export abstract class FerruleError extends Error {
  abstract readonly code: string;
  abstract readonly hint: string;

  override get name(): string {
    return this.constructor.name;
  }
}

/** The device left, or its resources were taken back, while a handle to it was still in use. */
export class Revoked extends FerruleError {
  readonly code = "REVOKED";
  readonly hint = "The device was unbound, reset or unplugged. Probe it again.";
  readonly what: string;
  constructor(what: string) {
    super(`${what} was used after its device was gone`);
    this.what = what;
  }
}

/** An access fell outside a register window or a memory region. */
export class OutOfWindow extends FerruleError {
  readonly code = "OUT_OF_WINDOW";
  readonly hint = "The region is smaller than this chip needs: check the BAR and the chip's identification.";
  readonly offset: number;
  readonly width: number;
  readonly length: number;
  constructor(fields: { what: string; offset: number; width: number; length: number }) {
    super(
      `${fields.what}: ${fields.width} bytes at 0x${fields.offset.toString(16)} do not lie in the 0x${fields.length.toString(16)}-byte window`,
    );
    this.offset = fields.offset;
    this.width = fields.width;
    this.length = fields.length;
  }
}

/** A value does not fit where it should go: a programming mistake, found before it reaches the hardware. */
export class OutOfRange extends FerruleError {
  readonly code = "OUT_OF_RANGE";
  readonly hint: string;
  constructor(message: string, hint = "Pass a value within the documented range.") {
    super(message);
    this.hint = hint;
  }
}

/** Hardware did not do within its limit what it should. */
export class Timeout extends FerruleError {
  readonly code = "TIMEOUT";
  readonly hint: string;
  readonly waitedMicros: number;
  constructor(fields: { what: string; waitedMicros: number; hint?: string }) {
    super(`${fields.what}: nothing for ${fields.waitedMicros} µs`);
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

/** A part was used in a way its contract rules out: a programming mistake, such as releasing a lock twice. */
export class Misuse extends FerruleError {
  readonly code = "MISUSE";
  readonly hint: string;
  constructor(message: string, hint = "Fix the caller; the stack trace names it.") {
    super(message);
    this.hint = hint;
  }
}

/**
 * What failed first. Where releasing resources fails after something else has failed, JavaScript throws a SuppressedError of
 * both, which has neither code nor hint.
 */
export const rootCause = (error: unknown): unknown =>
  error instanceof SuppressedError ? rootCause(error.suppressed) : error;

/** Runs `act`, and throws what failed first. For the borders of the library: see `rootCause`. */
export const withRootCause = <T>(act: () => T): T => {
  try {
    return act();
  } catch (error) {
    throw rootCause(error);
  }
};
