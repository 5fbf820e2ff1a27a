/** Interrupts as a driver sees them: a line it asks for, masks, waits on and gives back. */

/**
 * A requested interrupt line.
 *
 * An event that comes while the line is masked is remembered and delivered at `unmask`; several become one. A driver
 * must survive an interrupt without a cause (spurious) and a cause without an interrupt (lost: it looks again after
 * unmasking).
 */
export interface InterruptLine extends Disposable {
  /** Something that poll(2) can wait on; undefined where the bus has none (same-thread and browser). */
  readonly fd: number | undefined;
  /** Takes the pending event, if there is one. */
  take(): boolean;
  mask(): void;
  unmask(): void;
}

/** The interrupts a device has. */
export interface Interrupts {
  /** How many vectors there are. */
  readonly vectors: number;
  /**
   * Asks for a vector. `onEvent`, where given, is called by buses that deliver in the driver's own thread.
   * @throws {OutOfRange} for a vector the device does not have, or one already requested.
   */
  request(vector: number, onEvent?: () => void): InterruptLine;
}
