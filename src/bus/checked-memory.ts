/**
 * Guest memory with checks: the device may access only pieces that the driver has allocated, and each access must be
 * within one piece and in the piece's direction. An IOMMU checks whole pages; these checks also detect errors within a
 * page.
 */
import type { DmaArena, DmaMemory } from "#kit/dma.ts";
import type { GuestMemory, MemoryRegion } from "#kit/target.ts";

/**
 * The owner must call the device's `memoryChanged` from the arena's `changed` callback, because the device may cache
 * regions.
 */
export class CheckedMemory implements GuestMemory {
  readonly #dma: DmaArena;
  readonly #regions = new WeakMap<DmaMemory, MemoryRegion>();

  constructor(dma: DmaArena) {
    this.#dma = dma;
  }

  region(address: number, length: number): MemoryRegion | undefined {
    const piece = this.#dma.pieceAt(address - this.#dma.iova, length);
    if (piece === undefined) return undefined;
    const region = this.#regions.get(piece) ?? regionOf(piece);
    this.#regions.set(piece, region);
    return region;
  }
}

const regionOf = ({ iova, length, bytes, words, direction }: DmaMemory): MemoryRegion => ({
  address: iova,
  length,
  bytes,
  words,
  readOnly: direction === "toDevice",
  writeOnly: direction === "fromDevice",
});
