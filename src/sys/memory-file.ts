/** Files that are memory, told from others without asking the file system: a stranger's may never answer. */
import { fstatSync, statfsSync } from "node:fs";
import { libc } from "./libc.ts";

const F_GET_SEALS = 1034;
const F_SEAL_SHRINK = 0x2;
const NOTHING = 0n;
const HUGETLBFS_MAGIC = 0x9584_58f6;
const PAGE_BYTES = 4096;

/** A file whose bytes are the kernel's memory: of memfd_create(2), or on tmpfs or hugetlbfs. */
export interface MemoryFile {
  readonly bytes: number;
  readonly pageBytes: number;
  /** It can never become shorter, and its pages can always be had: a mapping of it never faults. */
  readonly fixed: boolean;
}

/** The seals of a file that is memory; negative for all others. The kernel knows this without the file system's help. */
const seals = (fd: number): number => {
  // SAFETY: no argument is an address.
  return libc.fcntl(fd, F_GET_SEALS, NOTHING);
};

/**
 * Undefined for a descriptor of anything else: a disk's or a network's file, a FUSE file, a device, a directory. To ask any of these
 * for as much as its size may take for ever.
 */
export const memoryFile = (fd: number): MemoryFile | undefined => {
  const sealed = seals(fd);
  if (sealed < 0) return undefined;
  // From here on it is known that the answers come from memory.
  const { size, blksize } = fstatSync(fd);
  // Touching a huge page is a fault where the kernel has none left.
  const huge = statfsSync(`/proc/self/fd/${fd}`).type === HUGETLBFS_MAGIC;
  return { bytes: size, pageBytes: huge ? blksize : PAGE_BYTES, fixed: (sealed & F_SEAL_SHRINK) !== 0 && !huge };
};

export const isMemory = (fd: number): boolean => seals(fd) >= 0;
