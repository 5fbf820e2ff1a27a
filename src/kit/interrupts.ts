/** Interrupts as a driver uses them: it requests a line, masks it, waits for it and releases it. */

/**
 * A requested interrupt line.
 *
 * An event that arrives while the line is masked is delivered at `unmask`. Events that arrive before an earlier one is
 * taken are merged with it. A driver must tolerate an interrupt without a cause (spurious) and a cause without an
 * interrupt (lost). It must therefore check for work again after unmasking.
 */
export interface InterruptLine extends Disposable {
  /**
   * A file descriptor (an eventfd) for poll(2); undefined on a bus that delivers events without one (same thread,
   * qtest).
   */
  readonly fd: number | undefined;
  /**
   * True for INTx through VFIO, which is level-triggered. If the driver runs in a guest and masks the interrupt in the
   * chip, QEMU notices only at the next register access that the interrupt line is no longer asserted. So a driver must
   * handle the cause of the interrupt, not mask it in the chip (decision 16).
   */
  readonly level: boolean;
  /** Returns whether an event is pending, and clears it. */
  take(): boolean;
  mask(): void;
  unmask(): void;
}

/** Kinds of interrupts, best first. */
export const INTERRUPT_KINDS = ["msix", "msi", "intx"] as const;
export type InterruptKind = (typeof INTERRUPT_KINDS)[number];

/** A device's interrupts, of the best kind that it offers and that `limit` does not exclude. */
export interface Interrupts {
  /** Number of vectors. */
  readonly vectors: number;
  /**
   * Excludes kinds better than `best`, because some devices offer kinds that do not work. Call it before the first
   * request. On a bus with only one kind, this has no effect.
   * @throws {OutOfRange} once a vector is requested, or if no kind is left
   */
  limit(best: InterruptKind): void;
  /**
   * Requests a vector, or several vectors that share a line. Buses that deliver events in the driver's own thread call
   * `onEvent`.
   * @throws {OutOfRange} for a vector that the device does not have, or that is already requested
   */
  request(vectors: number | readonly number[], onEvent?: () => void): InterruptLine;
}
