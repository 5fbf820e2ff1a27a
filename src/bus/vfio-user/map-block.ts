/**
 * A block of the device's address space. Maps that are contiguous for the device are also contiguous in the block's
 * window in this process. With an IOMMU, a guest maps each page of a ring or buffer separately, from anywhere in its
 * memory; without blocks, each page would be a region.
 */
import type { MemoryRegion } from "#kit/target.ts";
import { SystemError } from "#sys/errno.ts";
import type { MapWindow } from "#sys/map-window.ts";

/**
 * Size of a block in bytes. No ring is larger, and none crosses the border of two blocks, because an IOMMU's allocator
 * aligns a range to the range's size.
 */
export const BLOCK = 2 ** 24;

interface Span {
  readonly address: number;
  readonly length: number;
}

interface Shown extends Span {
  readonly readOnly: boolean;
}

export const endOf = ({ address, length }: Span): number => address + length;

/** Index of the first span that starts after `address`, in a list sorted by address. */
export const firstAfter = (spans: readonly Span[], address: number): number => {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  return low;
};

export class MapBlock {
  /** A window of `BLOCK` bytes. */
  readonly window: MapWindow;
  readonly #start: number;
  /** The maps in the block, sorted by address. */
  readonly #shown: Shown[] = [];
  /** Regions of contiguous maps with the same access, created when they are first requested. Sorted by address. */
  #runs: MemoryRegion[] = [];

  /** @param start a multiple of `BLOCK` */
  constructor(start: number, window: MapWindow) {
    this.#start = start;
    this.window = window;
  }

  get empty(): boolean {
    return this.#shown.length === 0;
  }

  /**
   * Adds a map, which must be inside the block and overlap no other. @throws {SystemError}, in which case nothing was
   * added
   */
  add(fd: number, offset: number, map: Shown): void {
    this.window.show(fd, offset, map.length, map.readOnly, map.address - this.#start);
    this.#shown.splice(firstAfter(this.#shown, map.address), 0, map);
    this.#forget(map);
  }

  /** Removes an existing map. */
  remove(address: number): void {
    const [map] = this.#shown.splice(firstAfter(this.#shown, address) - 1, 1);
    this.#forget(map!);
    try {
      this.window.clear(address - this.#start, map!.length);
    } catch (error) {
      // This process has too many mappings to split another one. The memory stays mapped, but belongs to no region, and
      // is unmapped with the block.
      if (!(error instanceof SystemError)) throw error;
    }
  }

  /** The region that contains a mapped address. It covers the whole run of contiguous maps with the same access. */
  region(address: number): MemoryRegion {
    const at = firstAfter(this.#runs, address);
    const known = this.#runs[at - 1];
    if (known !== undefined && address < endOf(known)) return known;
    const run = this.#runAround(address);
    this.#runs.splice(at, 0, run);
    return run;
  }

  #runAround(address: number): MemoryRegion {
    const shown = this.#shown;
    let first = firstAfter(shown, address) - 1;
    let last = first;
    while (this.#continuesAt(first - 1)) first--;
    while (this.#continuesAt(last)) last++;
    const start = shown[first]!.address;
    const length = endOf(shown[last]!) - start;
    const { buffer } = this.window.bytes;
    const at = start - this.#start;
    return {
      address: start,
      length,
      bytes: new Uint8Array(buffer, at, length),
      words: new Int32Array(buffer, at, length / 4),
      readOnly: shown[first]!.readOnly,
    };
  }

  /** Discards the runs that contain or touch an added or removed map. */
  #forget(map: Shown): void {
    this.#runs = this.#runs.filter((run) => run.address > endOf(map) || endOf(run) < map.address);
  }

  /**
   * Whether map `index + 1` starts where map `index` ends, and has the same access. False if one of them does not
   * exist.
   */
  #continuesAt(index: number): boolean {
    const [map, next] = [this.#shown[index], this.#shown[index + 1]];
    return map !== undefined && next !== undefined && endOf(map) === next.address && map.readOnly === next.readOnly;
  }
}
