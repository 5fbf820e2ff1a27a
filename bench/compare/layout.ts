/** The memory that the device process shares with a driver process: the numbers of bench/c/shared.h. */

export const PAGE_BYTES = 4096;
export const REGION_BYTES = 16 * 2 ** 20;
/** Offset of the DMA window in a region: a page of registers and a page of control words precede the window. */
export const WINDOW_OFFSET = 2 * PAGE_BYTES;
/** Device address of the DMA window's first byte. */
export const WINDOW_IOVA = 0x20_0000_0000;
/** File descriptor of the shared memory in each driver process. */
export const MEMORY_FD = 3;

/** Indices of the words of the control page. */
export const Control = {
  state: 0,
  frames: 1,
  disorder: 2,
  collections: 3,
  stop: 16,
  load: 17,
  batch: 18,
  bytes: 19,
  first: 20,
} as const;

export const State = { idle: 1, running: 2 } as const;

/** Loads, in the order of `enum load`. */
export const LOADS = ["forward", "drop", "generate"] as const;
export type Load = (typeof LOADS)[number];

/** Index of the word of a frame that holds the frame's sequence number. */
export const SEQUENCE_WORD = 4;
/** The words before the sequence number: both MAC addresses, an experimental EtherType, two zero bytes. */
export const HEADER = [0xd3d2d1d0 | 0, 0x5756d5d4, 0x5b5a5958, 0x0000b588] as const;

/** Number of passes that a driver makes between two reads of `Control.stop`. */
export const PASSES = 64;
/** Number of descriptors of each ring. */
export const SLOTS = 1024;
