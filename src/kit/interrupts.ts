/** Interrupts as a driver uses them: a line that it requests, masks, waits on and releases. */

/**
 * A requested interrupt line.
 *
 * An event that arrives while the line is masked is held and delivered at `unmask`; several become one. A driver must
 * tolerate an interrupt without a cause (spurious) and a cause without an interrupt (lost: it checks again after
 * unmasking).
 */
export interface InterruptLine extends Disposable {
  /** A descriptor for poll(2); undefined where the bus has none (same thread, and browser). */
  readonly fd: number | undefined;
  /** Takes the pending event, if any. */
  take(): boolean;
  mask(): void;
  unmask(): void;
}

/** The interrupts a device has. */
export interface Interrupts {
  /** Number of vectors. */
  readonly vectors: number;
  /**
   * Requests a vector. `onEvent` is called by buses that deliver in the driver's own thread.
   * @throws {OutOfRange} for a vector that the device does not have, or that is already requested
   */
  request(vector: number, onEvent?: () => void): InterruptLine;
}
