/** Memory of frames, as bytes and as 32-bit words. */

/**
 * Two views of one memory. `words[i]` has the bytes `4 * i` to `4 * i + 3`, least significant first: this room, like
 * the NIC's rings, requires a little-endian machine.
 */
export interface Memory {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** Faster sums (`sum-kernel.ts`), if available. Two memories with the same `sums` object are the same memory. */
  readonly sums?: MemorySums | undefined;
}

/** Sums of 16-bit units in memory order, below 2^17. Offsets and lengths are in bytes. */
export interface MemorySums {
  readonly sum: (offset: number, length: number) => number;
  readonly copySum: (from: number, to: number, length: number) => number;
}

/**
 * Returns `bytes` with a second view of the same memory, as words. Allocates, so call it once for each array, not for
 * each frame.
 * @throws {RangeError} if the array does not start on a 4-byte boundary of its buffer
 */
export const memoryOf = (bytes: Uint8Array): Memory => ({
  bytes,
  words: new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2),
  sums: undefined,
});

/** Fresh memory of `length` bytes, zeroed. */
export const newMemory = (length: number): Memory => memoryOf(new Uint8Array(length));

/** Swaps `length` bytes at `a` with those at `b`. */
export const swap = (bytes: Uint8Array, a: number, b: number, length: number): void => {
  for (let i = 0; i < length; i++) {
    const kept = bytes[a + i]!;
    bytes[a + i] = bytes[b + i]!;
    bytes[b + i] = kept;
  }
};

/** Whether the bytes at `at` are equal to the first `length` bytes of `expected`. */
export const same = (bytes: Uint8Array, at: number, expected: Uint8Array, length: number): boolean => {
  for (let i = 0; i < length; i++) if (bytes[at + i] !== expected[i]) return false;
  return true;
};
