/** DMA memory without an IOMMU: physically contiguous, and used at its physical address. */
import { DmaArena } from "#kit/dma.ts";
import { SystemError } from "#sys/errno.ts";
import { NotContiguous } from "./errors.ts";
import type { HugeMemory, VfioKernel } from "./kernel.ts";

const GIB4 = 2 ** 32;

interface Run {
  /** Indices of the pages, in the order of the pages' physical addresses. */
  readonly pages: readonly number[];
  /** Physical address of the first page. */
  readonly start: number;
}

/**
 * The longest run of physically contiguous pages, at most `max` of them, that crosses no multiple of 4 GiB. An address
 * of 0 means that the address is unknown.
 */
export const longestRun = (addresses: readonly number[], pageBytes: number, max: number): Run => {
  const sorted = [...addresses.entries()].filter(([, at]) => at > 0).toSorted((a, b) => a[1] - b[1]);
  let best: Run = { pages: [], start: 0 };
  let run: { pages: number[]; start: number } = { pages: [], start: 0 };
  for (const [page, at] of sorted) {
    const joins = at === run.start + run.pages.length * pageBytes && at % GIB4 !== 0 && run.pages.length < max;
    if (joins) run.pages.push(page);
    else run = { pages: [page], start: at };
    if (run.pages.length > best.pages.length) best = run;
  }
  return best;
};

const allocate = (kernel: VfioKernel, wanted: number, min: number): HugeMemory => {
  const { pageBytes, free } = kernel.hugePages();
  const needed = Math.ceil(min / pageBytes);
  if (free < needed) throw new NotContiguous(min, 0, `${needed} huge pages are needed, but only ${free} are free`);
  // Twice as many as needed, because they may not be contiguous.
  return kernel.takeHugePages(Math.min(free, 2 * Math.ceil(wanted / pageBytes)));
};

/**
 * Allocates `wanted` bytes, or as much as is contiguous, but at least `min`, in whole huge pages.
 * @throws {NotContiguous} {SystemError}
 */
export const contiguousMemory = (kernel: VfioKernel, wanted: number, min: number, scope: DisposableStack): DmaArena => {
  const { pageBytes } = kernel.hugePages();
  let pages: HugeMemory;
  try {
    pages = allocate(kernel, wanted, min);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw new NotContiguous(min, 0, error.message);
  }
  using taken = pages;
  const run = longestRun(taken.addresses, pageBytes, Math.ceil(wanted / pageBytes));
  const bytes = run.pages.length * pageBytes;
  const hidden = taken.addresses.every((at) => at === 0);
  if (bytes < min)
    throw new NotContiguous(min, bytes, hidden ? "this user may not read physical addresses" : "memory is fragmented");
  const { buffer } = scope.use(taken.gather(run.pages, "DMA memory"));
  return scope.use(new DmaArena(buffer, run.start, bytes));
};
