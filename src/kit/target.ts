/**
 * What a device model offers a bus, and what a bus offers a device model.
 *
 * A model knows offsets and device addresses. Where its registers appear and where guest memory really lies is the
 * bus's business.
 */

import type { FrameMemory } from "./link.ts";

/** A piece of guest memory, seen as bytes and as words. `address` is what the device calls its first byte. */
export interface MemoryRegion extends FrameMemory {
  readonly address: number;
  /** Bytes that belong to the guest; `bytes` and `words` (word `i` is at `address + 4 * i`) may be longer. */
  readonly length: number;
  /** The device may read it and not write it. */
  readonly readOnly?: boolean;
  /** Present where the memory cannot be shared: `bytes` and `words` are a copy then, and this keeps it true. */
  readonly copy?: MemoryCopy;
}

/**
 * Moves pieces of a region between the guest's memory and the region's copy of it. `offset` is in bytes from the region's
 * start, and the piece lies in it.
 *
 * A device fetches before it reads, and stores after it has written. While either runs, the guest may go on: it may
 * access registers from within the call. False: the memory is not there any more, or its owner does not answer.
 */
export interface MemoryCopy {
  fetch(offset: number, length: number): boolean;
  store(offset: number, length: number): boolean;
}

/** Guest memory as the device sees it through its bus master port. */
export interface GuestMemory {
  /**
   * The region holding all of [address, address + length), or undefined: a device that touches memory it was not given
   * gets nothing, as behind an IOMMU. Addresses are integers below 2^53. As a rule the same object every time.
   */
  region(address: number, length: number): MemoryRegion | undefined;
}

/** Which window: PCI configuration space, or a base address register 0 to 5. */
export type RegionName = "config" | 0 | 1 | 2 | 3 | 4 | 5;

/** A device model, seen from its bus. All calls come from one thread. */
export interface Target {
  /** Bytes in a region; 0 where the device has none. */
  size(region: RegionName): number;
  /** One access; the result is unsigned. Never throws for what a guest does: nonsense reads all ones and is counted. */
  read(region: RegionName, offset: number, width: 1 | 2 | 4): number;
  write(region: RegionName, offset: number, width: 1 | 2 | 4, value: number): void;
  /** Function-level or bus reset. */
  reset(): void;
  /** Power off and on again: nothing that a guest set is left. */
  powerCycle(): void;
  /** Connects bus mastering and the interrupt line. `raise` may be called from any of the target's methods. */
  attach(memory: GuestMemory, raise: (vector: number) => void): void;
  /** The bus mapped or unmapped guest memory, or is about to: regions from before are not used any more. */
  memoryChanged(): void;
  /**
   * Whether the interrupt line (INTx) is high now. It is a level: a bus that masks the line while it is served asks again
   * when it is unmasked. `raise` tells of the change from low to high.
   */
  asserted(): boolean;
}
