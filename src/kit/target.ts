/**
 * The interfaces between a device model and a bus.
 *
 * A model uses offsets and device addresses. Only the bus knows where registers are mapped and where guest memory is.
 */

import type { FrameMemory } from "./link.ts";

/** A piece of guest memory, as bytes and as words. `address` is where the device sees its first byte. */
export interface MemoryRegion extends FrameMemory {
  readonly address: number;
  /** Length of the region in bytes. `bytes` and `words` (word `i` is at `address + 4 * i`) may be longer. */
  readonly length: number;
  /** The device may read the region but not write it. */
  readonly readOnly?: boolean;
  /** The device may write the region but not read it. */
  readonly writeOnly?: boolean;
  /** Present if the memory cannot be shared: `bytes` and `words` are then a copy, whose parts this object transfers. */
  readonly copy?: MemoryCopy;
}

/**
 * Transfers parts of a region between guest memory and the region's copy. `offset` is in bytes from the region's start;
 * the part must be inside the region.
 *
 * A device calls `fetch` before it reads the copy, and `store` after it has written to the copy. During these calls the
 * guest may run and access registers. A call returns false if the memory no longer exists or its owner does not
 * respond.
 */
export interface MemoryCopy {
  fetch(offset: number, length: number): boolean;
  store(offset: number, length: number): boolean;
}

/** Guest memory as the device sees it through its bus master port. */
export interface GuestMemory {
  /**
   * The region that contains [address, address + length). Undefined if there is none; the device's access then fails,
   * as with an IOMMU. Addresses are integers below 2^53. Usually the same object is returned each time.
   */
  region(address: number, length: number): MemoryRegion | undefined;
}

/** A region of the device: PCI configuration space, or the region of base address register (BAR) 0 to 5. */
export type RegionName = "config" | 0 | 1 | 2 | 3 | 4 | 5;

/** A device model, as seen from its bus. All calls come from one thread. */
export interface Target {
  /** Length of a region in bytes; 0 if the device does not have the region. */
  size(region: RegionName): number;
  /**
   * Reads in one access; the result is unsigned. Never throws because of what a guest does: an invalid access reads all
   * ones.
   */
  read(region: RegionName, offset: number, width: 1 | 2 | 4): number;
  write(region: RegionName, offset: number, width: 1 | 2 | 4, value: number): void;
  /** Performs a function-level reset or a bus reset. */
  reset(): void;
  /** Turns power off and on: nothing that a guest has set is preserved. */
  powerCycle(): void;
  /**
   * Connects the device to guest memory and to the interrupt line. The device may call `raise` during any call of its
   * methods.
   */
  attach(memory: GuestMemory, raise: (vector: number) => void): void;
  /**
   * Undoes `attach` when a bus's client has left. Afterwards, pending work accesses no memory and raises no interrupt.
   */
  detach(): void;
  /**
   * Call when guest memory is mapped or unmapped, before or after the change. The model must no longer use the regions
   * that it has obtained so far.
   */
  memoryChanged(): void;
  /**
   * The level of the interrupt line (INTx). `raise` reports each change from low to high; a bus that has masked the
   * line reads the level after unmasking.
   */
  asserted(): boolean;
}
