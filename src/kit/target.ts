/**
 * The interfaces between a device model and a bus.
 *
 * A model uses offsets and device addresses. Only the bus knows where its registers are mapped and where guest memory
 * really is.
 */

import type { FrameMemory } from "./link.ts";

/** A piece of guest memory, as bytes and as words. `address` is the device's address of its first byte. */
export interface MemoryRegion extends FrameMemory {
  readonly address: number;
  /** Bytes of the guest's memory; `bytes` and `words` (word `i` is at `address + 4 * i`) may be longer. */
  readonly length: number;
  /** The device may read it but not write it. */
  readonly readOnly?: boolean;
  /** The device may write it but not read it. */
  readonly writeOnly?: boolean;
  /** Present if the memory cannot be shared: `bytes` and `words` are then a copy, which this transfers. */
  readonly copy?: MemoryCopy;
}

/**
 * Transfers parts of a region between guest memory and the region's copy. `offset` is in bytes from the region's start;
 * the part must be inside the region.
 *
 * A device fetches before it reads, and stores after it has written. The guest may run during a call and access
 * registers. The result is false if the memory no longer exists or its owner does not respond.
 */
export interface MemoryCopy {
  fetch(offset: number, length: number): boolean;
  store(offset: number, length: number): boolean;
}

/** Guest memory as the device sees it through its bus master port. */
export interface GuestMemory {
  /**
   * The region that contains [address, address + length), or undefined: accesses to other memory fail, as with an
   * IOMMU. Addresses are integers below 2^53. Usually the same object each time.
   */
  region(address: number, length: number): MemoryRegion | undefined;
}

/** A window: PCI configuration space, or a base address register 0 to 5. */
export type RegionName = "config" | 0 | 1 | 2 | 3 | 4 | 5;

/** A device model, as seen from its bus. All calls come from one thread. */
export interface Target {
  /** Bytes in a region; 0 if the device has none. */
  size(region: RegionName): number;
  /**
   * One access; the result is unsigned. Never throws because of what a guest does: invalid accesses read all ones and
   * are counted.
   */
  read(region: RegionName, offset: number, width: 1 | 2 | 4): number;
  write(region: RegionName, offset: number, width: 1 | 2 | 4, value: number): void;
  /** Function-level or bus reset. */
  reset(): void;
  /** Power off and on: nothing set by a guest is preserved. */
  powerCycle(): void;
  /** Connects bus mastering and the interrupt line. `raise` may be called from any of the target's methods. */
  attach(memory: GuestMemory, raise: (vector: number) => void): void;
  /** The reverse, for a bus whose client has left: what still runs reaches no memory and signals nothing. */
  detach(): void;
  /** The bus mapped or unmapped guest memory, or is about to: earlier regions must not be used any more. */
  memoryChanged(): void;
  /**
   * The level of the interrupt line (INTx). A bus that masks the line while it is handled reads it again after
   * unmasking. `raise` reports the change from low to high.
   */
  asserted(): boolean;
}
