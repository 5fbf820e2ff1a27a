/** The kernel as an interface, so that tests can use a fake one. */
import { readFileSync } from "node:fs";
import { EventFd } from "#sys/eventfd.ts";
import { HUGE_PAGE_BYTES, HugePages, freeHugePages } from "#sys/huge-pages.ts";
import { Iommufd } from "#sys/iommufd.ts";
import { Mapping } from "#sys/mapping.ts";
import { VfioDeviceFile } from "#sys/vfio-device.ts";
import { VfioContainer, VfioGroup } from "#sys/vfio.ts";

/** The public part of a class. */
type Shape<T> = Pick<T, keyof T>;

export type Memory = Shape<Mapping>;
export type Event = Shape<EventFd>;
export type Container = Shape<VfioContainer>;
export type IommuFile = Shape<Iommufd>;
export type DeviceFile = Omit<Shape<VfioDeviceFile>, "map"> & {
  map(offset: number, bytes: number, what: string): Memory;
};
export type HugeMemory = Omit<Shape<HugePages>, "gather"> & { gather(order: readonly number[], what: string): Memory };
export type Group = Omit<Shape<VfioGroup>, "device"> & { device(address: string): DeviceFile };

/**
 * The caller must dispose the objects that the methods return. A failed system call throws `SystemError`.
 */
export interface VfioKernel {
  container(path: string): Container;
  group(path: string): Group;
  iommufd(path: string): IommuFile;
  device(path: string): DeviceFile;
  event(): Event;
  /** Zeroed memory that can be mapped for a device. */
  memory(bytes: number, what: string): Memory;
  /** Returns the number of bytes that this process may lock; `Infinity` without a limit. */
  memlock(): number;
  /** Returns the size of a huge page and the number of free huge pages. */
  hugePages(): { readonly pageBytes: number; readonly free: number };
  takeHugePages(count: number): HugeMemory;
}

/** Parses /proc/self/limits, which has the limit that the kernel applies: "Max locked memory 8388608 8388608 bytes". */
export const parseMemlock = (limits: string): number => {
  const soft = /^Max locked memory\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined || soft === "unlimited" ? Infinity : Number(soft);
};

/**
 * CAP_IPC_LOCK in "CapEff:\t000001ffffffffff" of /proc/self/status. The limit does not apply to processes with this
 * capability.
 */
const IPC_LOCK = 1n << 14n;
export const mayLockAll = (status: string): boolean => {
  const effective = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status)?.[1];
  return effective !== undefined && (BigInt(`0x${effective}`) & IPC_LOCK) !== 0n;
};

export const LINUX: VfioKernel = {
  container: (path) => VfioContainer.open(path),
  group: (path) => VfioGroup.open(path),
  iommufd: (path) => Iommufd.open(path),
  device: (path) => VfioDeviceFile.open(path),
  event: () => EventFd.create(),
  memory: (bytes, what) => Mapping.allocate(bytes, what),
  memlock: () =>
    mayLockAll(readFileSync("/proc/self/status", "utf8"))
      ? Infinity
      : parseMemlock(readFileSync("/proc/self/limits", "utf8")),
  hugePages: () => ({ pageBytes: HUGE_PAGE_BYTES, free: freeHugePages() }),
  takeHugePages: (count) => HugePages.allocate(count),
};
