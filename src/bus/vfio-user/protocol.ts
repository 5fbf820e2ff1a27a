/**
 * Numbers of the vfio-user protocol: commands, flags, errors, offsets of fields. Numbers are little-endian, because
 * both ends of a Unix socket are on one little-endian machine.
 *
 * Sources: the protocol's specification (QEMU, docs/interop/vfio-user.rst), VFIO's own structures (linux/vfio.h), and,
 * for what both leave open, QEMU's client and libvfio-user's server.
 */

/** The supported version. */
export const MAJOR = 0;
export const MINOR = 1;

export const Command = {
  version: 1,
  dmaMap: 2,
  dmaUnmap: 3,
  deviceInfo: 4,
  regionInfo: 5,
  regionIoFds: 6,
  irqInfo: 7,
  setIrqs: 8,
  regionRead: 9,
  regionWrite: 10,
  /** Requests that the server sends, to read or write the client's memory. */
  dmaRead: 11,
  dmaWrite: 12,
  deviceReset: 13,
  dirtyPages: 14,
  regionWriteMultiple: 15,
  deviceFeature: 16,
  migrationRead: 17,
  migrationWrite: 18,
} as const;

/** Name of a command, for error messages. */
export const commandName = (command: number): string =>
  Object.entries(Command).find(([, number]) => number === command)?.[0] ?? `command ${command}`;

/** Header: u16 id, u16 command, u32 size with the header, u32 flags, u32 error number. */
export const HEADER_BYTES = 16;
export const ID = 0;
export const COMMAND = 2;
export const SIZE = 4;
export const FLAGS = 8;
export const ERROR = 12;

export const Flag = {
  typeMask: 0xf,
  request: 0,
  reply: 1,
  /** No reply is requested: the request is posted. */
  noReply: 0x10,
  /** The reply has only an error number. */
  error: 0x20,
} as const;

/** Maximum number of data bytes in an access to a region or to guest memory (the capability `max_data_xfer_size`). */
export const MAX_DATA = 65536;
/** Maximum number of descriptors in a message (`max_msg_fds`), which is QEMU's own limit. */
export const MAX_FDS = 16;
/** Maximum number of maps (`max_dma_maps`). With an IOMMU, a guest maps each page of each buffer separately. */
export const MAX_MAPS = 16_384;
/** Maximum number of mapped bytes. Mapping a GiB takes a millisecond or more, and the client waits for it. */
export const MAX_MAPPED_BYTES = 2 ** 38;
/** Address, size and file offset of a map are multiples of this (`pgsizes`). */
export const PAGE = 4096;
/** Maximum length of a message: the header, at most 64 bytes of fixed fields, and the longest data. */
export const MAX_BYTES = HEADER_BYTES + 64 + MAX_DATA;

/** Offsets of the fields of a region access. */
export const ACCESS_OFFSET = HEADER_BYTES;
export const ACCESS_REGION = HEADER_BYTES + 8;
export const ACCESS_COUNT = HEADER_BYTES + 12;
export const ACCESS_DATA = HEADER_BYTES + 16;
/** regionWriteMultiple: u64 count, then for each write u64 offset, u32 region, u32 count and 8 bytes of data. */
export const MULTIPLE_WRITES = HEADER_BYTES + 8;
export const MULTIPLE_BYTES = 24;
export const MULTIPLE_REGION = 8;
export const MULTIPLE_COUNT = 12;
export const MULTIPLE_DATA = 16;
export const MAX_MULTIPLE_DATA = 8;
/** dmaRead and dmaWrite: u64 address, u64 count, then data. */
export const DMA_ADDRESS = HEADER_BYTES;
export const DMA_COUNT = HEADER_BYTES + 8;
export const DMA_DATA = HEADER_BYTES + 16;

/** Regions by number (linux/vfio.h). */
export const Region = { rom: 6, config: 7, vga: 8 } as const;
export const REGIONS = 9;
/** Kinds of interrupts by index. */
export const Irq = { intx: 0, msi: 1, msix: 2, error: 3, request: 4 } as const;
export const IRQS = 5;

export const MapFlag = { read: 1, write: 2, mmap: 4, fileIo: 8 } as const;
export const UnmapFlag = { dirtyBitmap: 1, all: 2 } as const;
export const DeviceFlag = { reset: 1, pci: 2 } as const;
export const RegionFlag = { read: 1, write: 2, mmap: 4, capabilities: 8 } as const;
export const IrqFlag = { eventfd: 1, maskable: 2, autoMasked: 4, noResize: 8 } as const;
/** A SET_IRQS request sets one of the first three flags and one of the last three. */
export const SetFlag = { none: 1, bool: 2, eventfd: 4, mask: 8, unmask: 16, trigger: 32 } as const;
export const SET_DATA = 0x07;
export const SET_ACTION = 0x38;

/** Error numbers in replies, which are those of Linux. */
export const Refused = {
  EPERM: 1,
  ENOENT: 2,
  E2BIG: 7,
  ENOMEM: 12,
  EBUSY: 16,
  EEXIST: 17,
  EINVAL: 22,
  ENOSPC: 28,
  ENOSYS: 38,
  EOPNOTSUPP: 95,
} as const;
export type Refused = (typeof Refused)[keyof typeof Refused];
