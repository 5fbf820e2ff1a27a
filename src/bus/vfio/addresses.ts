/** Placement of the DMA window in the device's address space. */
import type { IommuInfo, IovaRange } from "#sys/vfio-structs.ts";

const GIB4 = 2 ** 32;
/**
 * Nothing is mapped below this address, so a DMA access through a zeroed descriptor, or to a small number mistaken for
 * an address, faults instead of changing a frame.
 */
const LOWEST = 16 << 20;
/** Alignment to large pages of the IOMMU. */
const LARGE_PAGE = 2 << 20;
/**
 * Used if the kernel reports no ranges. The range ends below 0xfee00000, the first address of interrupt messages (Intel
 * SDM 3A, 11.11.1).
 */
const DEFAULT_RANGES: readonly IovaRange[] = [{ start: 0, last: 0xfedf_ffff }];

const up = (value: number, step: number): number => Math.ceil(value / step) * step;

/** The lowest address in `range` for a window that crosses no multiple of 4 GiB; undefined if it does not fit. */
const placeIn = (range: IovaRange, bytes: number, align: number): number | undefined => {
  const first = up(Math.max(range.start, LOWEST), align);
  const crosses = Math.floor(first / GIB4) !== Math.floor((first + bytes - 1) / GIB4);
  const at = crosses ? up(first, GIB4) : first;
  return at + bytes - 1 <= range.last ? at : undefined;
};

/**
 * The lowest address for a window of `bytes` bytes, aligned to large pages if possible; undefined if it fits in no
 * range. The lowest is chosen because the oldest chips are on 32-bit buses.
 */
export const placeWindow = ({ ranges = DEFAULT_RANGES, pageBytes }: IommuInfo, bytes: number): number | undefined => {
  if (bytes > GIB4) return undefined;
  const sorted = ranges.toSorted((a, b) => a.start - b.start);
  const find = (align: number): number | undefined =>
    sorted.map((range) => placeIn(range, bytes, align)).find((place) => place !== undefined);
  const page = Math.max(pageBytes, 4096);
  return find(Math.max(page, LARGE_PAGE)) ?? find(page);
};
