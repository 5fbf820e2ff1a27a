/** Interrupts as a driver uses them: it requests a line, masks it, waits for it and releases it. */

/**
 * A requested interrupt line.
 *
 * An event that arrives while the line is masked is held and delivered at `unmask`; several events are merged into one.
 * A driver must tolerate an interrupt without a cause (spurious), and a cause without an interrupt (lost), so it checks
 * for work again after unmasking.
 */
export interface InterruptLine extends Disposable {
  /** A descriptor for poll(2); undefined on a bus without descriptors (same thread, and browser). */
  readonly fd: number | undefined;
  /**
   * True for INTx through VFIO. It is a level, and QEMU, as the host of a guest, notices that a card no longer asserts
   * it only at the next access to a register. So a driver must handle this interrupt, not mask it in the chip.
   */
  readonly level: boolean;
  /** Takes a pending event. Returns whether there was one. */
  take(): boolean;
  mask(): void;
  unmask(): void;
}

/** Kinds of interrupts, best first. Every device has the last kind. */
export const INTERRUPT_KINDS = ["msix", "msi", "intx"] as const;
export type InterruptKind = (typeof INTERRUPT_KINDS)[number];

/** A device's interrupts, of the best kind that it offers. */
export interface Interrupts {
  /** Number of vectors. */
  readonly vectors: number;
  /**
   * Excludes kinds better than `best`, because some devices offer kinds that do not work. Call it before the first
   * request. A bus that has only one kind keeps it. @throws {OutOfRange} once a vector is requested, or if no kind is
   * left
   */
  limit(best: InterruptKind): void;
  /**
   * Requests a vector, or several that share a line. `onEvent` is called by buses that deliver in the driver's own
   * thread.
   * @throws {OutOfRange} for a vector that the device does not have, or that is already requested
   */
  request(vectors: number | readonly number[], onEvent?: () => void): InterruptLine;
}
