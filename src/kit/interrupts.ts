/** Interrupts as used by a driver: a line that it requests, masks, waits on and releases. */

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

/** From the best kind to the one that every device has. */
export const INTERRUPT_KINDS = ["msix", "msi", "intx"] as const;
export type InterruptKind = (typeof INTERRUPT_KINDS)[number];

/** The interrupts a device has, of the best kind that it offers. */
export interface Interrupts {
  /** Number of vectors. */
  readonly vectors: number;
  /**
   * Uses no better kind than this one from now on: some devices offer kinds that do not work on them. Called before the
   * first request. A bus that has only one kind keeps it.
   * @throws {OutOfRange} once a vector is requested, or when no kind is left
   */
  limit(best: InterruptKind): void;
  /**
   * Requests a vector, or several that share a line. `onEvent` is called by buses that deliver in the driver's own thread.
   * @throws {OutOfRange} for a vector that the device does not have, or that is already requested
   */
  request(vectors: number | readonly number[], onEvent?: () => void): InterruptLine;
}
