/** Memory of frames, as bytes and as 32-bit words. */

/**
 * Two views of one memory. `words[i]` is bytes `4 * i` to `4 * i + 3`, least significant first: this room, like the
 * rings of the NIC, assumes a little-endian machine.
 */
export interface Memory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Faster sums, if available: `sum-kernel.ts`. Two memories with the same object are one memory. */
  readonly sums?: MemorySums | undefined;
}

/** Offsets and lengths are bytes. A sum is of 16-bit units in memory order, below 2^17. */
export interface MemorySums {
  readonly sum: (offset: number, length: number) => number;
  readonly copySum: (from: number, to: number, length: number) => number;
}

/**
 * Adds a view as words to `bytes`. Allocates: do it once for each array, not for each frame.
 * @throws {RangeError} if the array does not start on a 4-byte boundary of its buffer
 */
export const memoryOf = (bytes: Uint8Array): Memory => ({
  bytes,
  words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2),
  sums: undefined,
});

/** Fresh memory of `length` bytes, zeroed. */
export const newMemory = (length: number): Memory => memoryOf(new Uint8Array(length));

/** Swaps `length` bytes at `a` with those at `b`, as needed to reply to a frame in place. */
export const swap = (bytes: Uint8Array, a: number, b: number, length: number): void => {
  for (let i = 0; i < length; i++) {
    const kept = bytes[a + i]!;
    bytes[a + i] = bytes[b + i]!;
    bytes[b + i] = kept;
  }
};

/** Whether `length` bytes at `at` are the first of `expected`. */
export const same = (bytes: Uint8Array, at: number, expected: Uint8Array, length: number): boolean => {
  for (let i = 0; i < length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
};
