/**
 * Guest memory that is checked: the device reaches the pieces that the driver has allocated, each whole access within one, and
 * in that piece's direction alone. An IOMMU checks whole pages; this finds what shares a page with something else.
 */
import type { DmaArena, DmaMemory } from "#kit/dma.ts";
import type { GuestMemory, MemoryRegion } from "#kit/target.ts";

/** The arena's `changed` must reach the device as `memoryChanged`: it may remember regions. */
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
