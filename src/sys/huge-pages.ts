/** Huge pages of 2 MiB and their physical addresses, for devices without an IOMMU. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { check } from "./errno.ts";
import { Fd, truncate } from "./fd.ts";
import { libc } from "./libc.ts";
import { Mapping } from "./mapping.ts";
import { addressOf, cString } from "./memory.ts";

/** Size of a huge page on x86-64, and on arm64 with pages of 4 KiB. */
export const HUGE_PAGE_BYTES = 2 << 20;
const FREE = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";
const MFD_CLOEXEC = 1;
const MFD_HUGETLB = 4;
/** Flag that selects the size of the pages: the base-2 logarithm of the size (21), shifted. */
const MFD_HUGE_2MB = 21 << 26;

/** Number of free huge pages; 0 if the kernel has none. */
export const freeHugePages = (): number => {
  try {
    return Number(readFileSync(FREE, "utf8"));
  } catch {
    return 0;
  }
};

/** /proc/self/pagemap has an entry for each page of 4 KiB: the page's number, and whether it is in memory. */
const PAGE_BYTES = 4096;
const ENTRY_BYTES = 8;
const FRAME_MASK = (1n << 55n) - 1n;
const PRESENT = 1n << 63n;

const physicalOf = (pagemap: number, address: bigint): number => {
  const entry = new Uint8Array(ENTRY_BYTES);
  readSync(pagemap, entry, 0, ENTRY_BYTES, Number(address / BigInt(PAGE_BYTES)) * ENTRY_BYTES);
  const value = new DataView(entry.buffer).getBigUint64(0, true);
  return (value & PRESENT) === 0n ? 0 : Number(value & FRAME_MASK) * PAGE_BYTES;
};

/** Some huge pages. The kernel does not move them while they are mapped. */
export class HugePages implements Disposable {
  /** Physical address of each page; 0 if this process may not read addresses. */
  readonly addresses: readonly number[];
  readonly #fd: Fd;

  private constructor(fd: Fd, addresses: readonly number[]) {
    this.#fd = fd;
    this.addresses = addresses;
  }

  /** @throws {SystemError} ENOMEM if there are not enough free pages */
  static allocate(count: number): HugePages {
    // SAFETY: the result of cString is valid until its next call.
    const number = libc.memfd_create(cString("dma"), MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
    using scope = new DisposableStack();
    const fd = scope.use(new Fd(check(number, "memfd_create", "large pages"), "large pages"));
    truncate(fd.number, count * HUGE_PAGE_BYTES);
    using mapping = Mapping.map(fd.number, 0, count * HUGE_PAGE_BYTES, "large pages");
    const bytes = new Uint8Array(mapping.buffer);
    const start = addressOf(mapping.buffer);
    const pagemap = openSync("/proc/self/pagemap", "r");
    try {
      const addresses = Array.from({ length: count }, (_, page) => {
        // The kernel allocates a page at its first access.
        bytes[page * HUGE_PAGE_BYTES] = 0;
        return physicalOf(pagemap, start + BigInt(page * HUGE_PAGE_BYTES));
      });
      scope.move();
      return new HugePages(fd, addresses);
    } finally {
      closeSync(pagemap);
    }
  }

  /** Maps pages as one piece of memory, in the given order. @throws {SystemError} */
  gather(order: readonly number[], what: string): Mapping {
    const pieces = order.map((page) => page * HUGE_PAGE_BYTES);
    return Mapping.gather(this.#fd.number, pieces, HUGE_PAGE_BYTES, what);
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
