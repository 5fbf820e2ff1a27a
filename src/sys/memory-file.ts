/**
 * Detects whether a file is in memory, without a call to its file system: the file system of an untrusted file may
 * never respond.
 */
import { fstatSync, statfsSync } from "node:fs";
import { libc } from "./libc.ts";

const F_GET_SEALS = 1034;
const F_SEAL_SHRINK = 0x2;
const NOTHING = 0n;
const HUGETLBFS_MAGIC = 0x9584_58f6;
const PAGE_BYTES = 4096;

/** A file whose contents are kernel memory: from memfd_create(2), or on tmpfs or hugetlbfs. */
export interface MemoryFile {
  readonly bytes: number;
  readonly pageBytes: number;
  /** The file cannot become shorter and its pages are always available, so access to a mapping of it never faults. */
  readonly fixed: boolean;
}

/** The seals of a file in memory; negative for other files. The kernel answers this without the file system. */
const seals = (fd: number): number => {
  // SAFETY: no argument is an address.
  return libc.fcntl(fd, F_GET_SEALS, NOTHING);
};

/**
 * Examines a descriptor; undefined if it is not a memory file but, for example, a file on a disk, a network file system
 * or FUSE, a device or a directory. Even asking for the size of these may block forever.
 */
export const memoryFile = (fd: number): MemoryFile | undefined => {
  const sealed = seals(fd);
  if (sealed < 0) return undefined;
  // The file is in memory, so these calls cannot block.
  const { size, blksize } = fstatSync(fd);
  // Access to a huge page faults if the kernel has no free huge page left.
  const huge = statfsSync(`/proc/self/fd/${fd}`).type === HUGETLBFS_MAGIC;
  return { bytes: size, pageBytes: huge ? blksize : PAGE_BYTES, fixed: (sealed & F_SEAL_SHRINK) !== 0 && !huge };
};

export const isMemory = (fd: number): boolean => seals(fd) >= 0;
