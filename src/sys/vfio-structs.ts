/** The structures of linux/vfio.h and linux/iommufd.h, as bytes and as records. This file makes no system calls. */

/** Addresses and sizes of 2^53 and above are clamped to the largest safe integer. */
const u64 = (view: DataView, at: number): number => {
  const value = view.getBigUint64(at, true);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(value);
};
const u32 = (view: DataView, at: number): number => view.getUint32(at, true);
const u16 = (view: DataView, at: number): number => view.getUint16(at, true);

/** Length in bytes of the fixed part of each structure: the smallest valid `argsz`. */
export const Bytes = {
  groupStatus: 8,
  deviceInfo: 16,
  regionInfo: 32,
  irqInfo: 16,
  irqSet: 20,
  hotResetInfo: 12,
  hotReset: 12,
  iommuInfo: 24,
  dmaMap: 32,
  dmaUnmap: 24,
  bindIommufd: 16,
  attach: 12,
  detach: 8,
  destroy: 8,
  ioasAlloc: 12,
  iovaRanges: 32,
  ioasMap: 40,
  ioasUnmap: 24,
} as const;

/** A range of device addresses; `last` is the address of its last byte. */
export interface IovaRange {
  readonly start: number;
  readonly last: number;
}

export interface DeviceInfo {
  /** The kernel can reset the function. */
  readonly resettable: boolean;
  readonly pci: boolean;
  readonly regions: number;
  readonly irqs: number;
}

/** A part of a region that may be mapped, in bytes from the region's start. */
export interface Area {
  readonly offset: number;
  readonly bytes: number;
}

export interface RegionInfo {
  /** Size of the region; 0 if the device does not have it. */
  readonly bytes: number;
  /** Offset of the region in the device's file. */
  readonly offset: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Parts that may be mapped; none if the region can only be accessed by read(2) and write(2). */
  readonly mappable: readonly Area[];
}

export interface IrqInfo {
  readonly count: number;
  readonly eventfd: boolean;
  /** The kernel masks the interrupt when it occurs, until the driver unmasks it. */
  readonly automasked: boolean;
  /** All vectors that will be needed must be enabled in one request. */
  readonly fixed: boolean;
}

/** A function that is affected by a reset of the bus or slot. */
export interface Affected {
  /** PCI address, such as 0000:03:00.1. */
  readonly address: string;
  /**
   * Number of the function's IOMMU group. With `byIdentity`, the function's identity within this process's iommufd: 0
   * if it is in the same group as the device, -1 if this process does not own it.
   */
  readonly owner: number;
}

export interface HotResetInfo {
  /** The owners are identities within an iommufd. */
  readonly byIdentity: boolean;
  /** The kernel confirms that this process owns all of the functions; valid only with `byIdentity`. */
  readonly allOurs: boolean;
  readonly affected: readonly Affected[];
}

/**
 * Finds a capability in a list in which each has an id and the offset of the next. The number of steps is limited, in
 * case the list is broken.
 */
const capability = (view: DataView, first: number, id: number): number | undefined => {
  let at = first;
  for (let n = 0; n < 64 && at >= 8 && at + 8 <= view.byteLength; n++) {
    if (u16(view, at) === id) return at;
    at = u32(view, at + 4);
  }
  return undefined;
};

/** Reads `count` records of two 64-bit numbers from `at` on, or as many as fit into the available bytes. */
const pairs = (view: DataView, at: number, count: number): [number, number][] => {
  const fit = Math.min(count, Math.floor((view.byteLength - at) / 16));
  return Array.from({ length: Math.max(0, fit) }, (_, i) => [u64(view, at + 16 * i), u64(view, at + 16 * i + 8)]);
};

const GROUP_VIABLE = 1 << 0;
export const readGroupStatus = (view: DataView): { readonly viable: boolean } => ({
  viable: (u32(view, 4) & GROUP_VIABLE) !== 0,
});

const DEVICE_RESET = 1 << 0;
const DEVICE_PCI = 1 << 1;
export const readDeviceInfo = (view: DataView): DeviceInfo => ({
  resettable: (u32(view, 4) & DEVICE_RESET) !== 0,
  pci: (u32(view, 4) & DEVICE_PCI) !== 0,
  regions: u32(view, 8),
  irqs: u32(view, 12),
});

const REGION_READ = 1 << 0;
const REGION_WRITE = 1 << 1;
const REGION_MMAP = 1 << 2;
const REGION_CAPS = 1 << 3;
const CAP_SPARSE_MMAP = 1;
export const readRegionInfo = (view: DataView): RegionInfo => {
  const flags = u32(view, 4);
  const bytes = u64(view, 16);
  const sparse = (flags & REGION_CAPS) === 0 ? undefined : capability(view, u32(view, 12), CAP_SPARSE_MMAP);
  let mappable: Area[] = (flags & REGION_MMAP) !== 0 && bytes > 0 ? [{ offset: 0, bytes }] : [];
  if (sparse !== undefined && mappable.length > 0 && sparse + 16 <= view.byteLength)
    mappable = pairs(view, sparse + 16, u32(view, sparse + 8))
      .map(([offset, length]) => ({ offset, bytes: length }))
      .filter((area) => area.bytes > 0 && area.offset + area.bytes <= bytes);
  return {
    bytes,
    offset: u64(view, 24),
    readable: (flags & REGION_READ) !== 0,
    writable: (flags & REGION_WRITE) !== 0,
    mappable,
  };
};

const IRQ_EVENTFD = 1 << 0;
const IRQ_AUTOMASKED = 1 << 2;
const IRQ_NORESIZE = 1 << 3;
export const readIrqInfo = (view: DataView): IrqInfo => ({
  count: u32(view, 12),
  eventfd: (u32(view, 4) & IRQ_EVENTFD) !== 0,
  automasked: (u32(view, 4) & IRQ_AUTOMASKED) !== 0,
  fixed: (u32(view, 4) & IRQ_NORESIZE) !== 0,
});

/** Actions on interrupts: the flags of `struct vfio_irq_set`. */
export const IrqAction = {
  /** Sets the event descriptor of each vector; -1 for none. */
  signal: (1 << 2) | (1 << 5),
  /** Disables this kind of interrupt; used without vectors. */
  off: (1 << 0) | (1 << 5),
  unmask: (1 << 0) | (1 << 4),
} as const;

export interface IrqSet {
  readonly index: number;
  readonly start: number;
  readonly count: number;
  /** One of `IrqAction`. */
  readonly action: number;
  readonly fds: readonly number[];
}

export const writeIrqSet = (view: DataView, { index, start, count, action, fds }: IrqSet): void => {
  for (const [i, word] of [Bytes.irqSet + 4 * fds.length, action, index, start, count, ...fds].entries())
    view.setInt32(4 * i, word, true);
};

const HOT_RESET_DEV_ID = 1 << 0;
const HOT_RESET_DEV_ID_OWNED = 1 << 1;
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
export const readHotResetInfo = (view: DataView): HotResetInfo => {
  const flags = u32(view, 4);
  const count = Math.min(u32(view, 8), Math.floor((view.byteLength - Bytes.hotResetInfo) / 8));
  const affected = Array.from({ length: count }, (_, i) => {
    const at = Bytes.hotResetInfo + 8 * i;
    const devfn = view.getUint8(at + 7);
    const place = `${hex(view.getUint8(at + 6), 2)}:${hex(devfn >>> 3, 2)}.${devfn & 7}`;
    return { owner: view.getInt32(at, true), address: `${hex(u16(view, at + 4), 4)}:${place}` };
  });
  return {
    byIdentity: (flags & HOT_RESET_DEV_ID) !== 0,
    allOurs: (flags & HOT_RESET_DEV_ID_OWNED) !== 0,
    affected,
  };
};

export const writeHotReset = (view: DataView, groups: readonly number[]): void => {
  for (const [i, word] of [Bytes.hotReset + 4 * groups.length, 0, groups.length, ...groups].entries())
    view.setInt32(4 * i, word, true);
};

const IOMMU_PAGE_SIZES = 1 << 0;
const IOMMU_CAPS = 1 << 1;
const CAP_IOVA_RANGE = 1;

export interface IommuInfo {
  /** Smallest page size; device addresses must be multiples of it. */
  readonly pageBytes: number;
  /** Ranges of device addresses; undefined if the kernel does not report them (before 5.4). */
  readonly ranges: readonly IovaRange[] | undefined;
}

export const readIommuInfo = (view: DataView): IommuInfo => {
  const flags = u32(view, 4);
  const sizes = (flags & IOMMU_PAGE_SIZES) === 0 ? 0n : view.getBigUint64(8, true);
  const at = (flags & IOMMU_CAPS) === 0 ? undefined : capability(view, u32(view, 16), CAP_IOVA_RANGE);
  const ranges = at === undefined || at + 16 > view.byteLength ? undefined : pairs(view, at + 16, u32(view, at + 8));
  return {
    pageBytes: sizes === 0n ? 4096 : Number(sizes & -sizes),
    ranges: ranges?.map(([start, last]) => ({ start, last })),
  };
};

export interface DmaMap {
  /** Address of the first byte in this process. */
  readonly address: bigint;
  readonly iova: number;
  readonly bytes: number;
}

const READ_WRITE = 3;
export const writeDmaMap = (view: DataView, { address, iova, bytes }: DmaMap): void => {
  view.setUint32(0, Bytes.dmaMap, true);
  view.setUint32(4, READ_WRITE, true);
  view.setBigUint64(8, address, true);
  view.setBigUint64(16, BigInt(iova), true);
  view.setBigUint64(24, BigInt(bytes), true);
};

export const writeDmaUnmap = (view: DataView, iova: number, bytes: number): void => {
  view.setUint32(0, Bytes.dmaUnmap, true);
  view.setUint32(4, 0, true);
  view.setBigUint64(8, BigInt(iova), true);
  view.setBigUint64(16, BigInt(bytes), true);
};

/** FIXED_IOVA, WRITEABLE and READABLE of `enum iommufd_ioas_map_flags`. */
const IOAS_MAP_FLAGS = 7;
export const writeIoasMap = (view: DataView, ioas: number, { address, iova, bytes }: DmaMap): void => {
  for (const [i, word] of [Bytes.ioasMap, IOAS_MAP_FLAGS, ioas, 0].entries()) view.setUint32(4 * i, word, true);
  view.setBigUint64(16, address, true);
  view.setBigUint64(24, BigInt(bytes), true);
  view.setBigUint64(32, BigInt(iova), true);
};

export const writeIoasUnmap = (view: DataView, ioas: number, iova: number, bytes: number): void => {
  view.setUint32(0, Bytes.ioasUnmap, true);
  view.setUint32(4, ioas, true);
  view.setBigUint64(8, BigInt(iova), true);
  view.setBigUint64(16, BigInt(bytes), true);
};

/** @param table address of a buffer for `max` ranges */
export const writeIovaRanges = (view: DataView, ioas: number, max: number, table: bigint): void => {
  for (const [i, word] of [Bytes.iovaRanges, ioas, max, 0].entries()) view.setUint32(4 * i, word, true);
  view.setBigUint64(16, table, true);
  view.setBigUint64(24, 0n, true);
};

/** The number of ranges that exist, which may be larger than the number in the buffer. */
export const readRangeCount = (view: DataView): number => u32(view, 8);
export const readRangeAlignment = (view: DataView): number => Math.max(1, u64(view, 24));
export const readRanges = (table: DataView, count: number): IovaRange[] =>
  pairs(table, 0, count).map(([start, last]) => ({ start, last }));
