/**
 * The Internet checksum (RFC 1071), alone or combined with a copy. These are the hottest loops of the model's offload
 * engines.
 *
 * A partial sum is a number from 0 to 0xffff in network order. Partial sums of pieces that start at an even distance
 * from each other are added with `+`, together with lengths and protocol numbers, and folded once at the end.
 *
 * Words are added in memory order and only the final sum is swapped, which one's complement addition allows. Each word
 * is added to two accumulators: the whole word to `total`, which may wrap, and its upper half to `high`. `high` cannot
 * wrap before 2^31 / 65535 words, so a piece may have up to 128 KiB. The sum of the lower halves is then exactly
 * `total - (high << 16)`.
 *
 * The loops were chosen by measurements (Node 26, 1448 bytes in cache, arrays that the engine does not treat as
 * constants). Summing takes 341 ns in a plain loop, 222 ns in one unrolled by 4, and 212 ns in one unrolled by 8.
 * Copying and summing takes 560, 397 and 365 ns; with shifting, it takes 606 ns in a plain loop and 507 ns in one
 * unrolled by 8. `| 0` on every index avoids an overflow check, which saves a quarter of the time. If the arrays are
 * constants of the compiled function (closures over one memory), the loops are 1.5 times as fast, but only while there
 * is just one such closure. BigInt is too slow. Memory with sums of its own (`sum-kernel.ts`) is summed 6 to 8 times
 * as fast.
 */
import type { Memory } from "./memory.ts";

/** Largest number of bytes that one call may sum. */
export const MAX_SUM_BYTES = 131_072;

/** Reduces a sum of partial sums (0 to 2^32 - 1) to 16 bits. */
export const fold = (sum: number): number => {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
};

/** Returns the value for the checksum field, which must have been 0 when the data was summed. */
export const finish = (sum: number): number => ~fold(sum) & 0xffff;

/** Whether the checksum is correct; `sum` must include the checksum field. */
export const intact = (sum: number): boolean => fold(sum) === 0xffff;

/** Converts the sum of data at an even or odd `offset` from memory order to network order. */
const ordered = (sum: number, offset: number): number => {
  const folded = fold(sum);
  return (offset & 1) === 1 ? folded : ((folded & 0xff) << 8) | (folded >>> 8);
};

/** Partial sum of up to `MAX_SUM_BYTES` bytes at any offset. */
export const sum = (memory: Memory, offset: number, length: number): number => {
  const { sums } = memory;
  return sums === undefined ? sumHere(memory, offset, length) : ordered(sums.sum(offset, length), 0);
};

const sumHere = (memory: Memory, offset: number, length: number): number => {
  const { bytes } = memory;
  const end = (offset + length) | 0;
  let at = offset | 0;
  let edges = 0;
  for (; (at & 3) !== 0 && at < end; at = (at + 1) | 0) edges = (edges + (bytes[at]! << ((at & 1) << 3))) | 0;
  const words = at < end ? sumWords(memory.words, at >> 2, end >> 2) : 0;
  for (at = Math.max(at, end & ~3); at < end; at = (at + 1) | 0) edges = (edges + (bytes[at]! << ((at & 1) << 3))) | 0;
  return ordered(words + edges, offset);
};

const sumWords = (words: Int32Array, from: number, to: number): number => {
  const bulk = (to - 7) | 0;
  let total = 0;
  let high = 0;
  let i = from | 0;
  for (; i < bulk; i = (i + 8) | 0) {
    const a = words[i]!;
    const b = words[(i + 1) | 0]!;
    const c = words[(i + 2) | 0]!;
    const d = words[(i + 3) | 0]!;
    const e = words[(i + 4) | 0]!;
    const f = words[(i + 5) | 0]!;
    const g = words[(i + 6) | 0]!;
    const h = words[(i + 7) | 0]!;
    total = (((total + a) | 0) + b) | 0;
    total = (((total + c) | 0) + d) | 0;
    total = (((total + e) | 0) + f) | 0;
    total = (((total + g) | 0) + h) | 0;
    high = (((high + (a >>> 16)) | 0) + (b >>> 16)) | 0;
    high = (((high + (c >>> 16)) | 0) + (d >>> 16)) | 0;
    high = (((high + (e >>> 16)) | 0) + (f >>> 16)) | 0;
    high = (((high + (g >>> 16)) | 0) + (h >>> 16)) | 0;
  }
  for (; i < to; i = (i + 1) | 0) {
    const a = words[i]!;
    total = (total + a) | 0;
    high = (high + (a >>> 16)) | 0;
  }
  return halves(total, high);
};

/**
 * Folds the two accumulators to at most 17 bits. The sums of the lower and of the upper halves are each below 2^31, so
 * their total is below 2^32.
 */
const halves = (total: number, high: number): number => {
  const both = ((total - (high << 16)) | 0) + high;
  return (both & 0xffff) + (both >>> 16);
};

/**
 * Copies up to `MAX_SUM_BYTES` bytes between any offsets and returns their partial sum. Fastest if both offsets are
 * equal modulo 4; otherwise words are shifted, which takes about 1.4 times as long. The ranges must not overlap.
 */
export const copyAndSum = (from: Memory, fromOffset: number, to: Memory, toOffset: number, length: number): number => {
  const { sums } = from;
  return sums !== undefined && sums === to.sums
    ? ordered(sums.copySum(fromOffset, toOffset, length), 0)
    : copyAndSumHere(from, fromOffset, to, toOffset, length);
};

const copyAndSumHere = (from: Memory, fromOffset: number, to: Memory, toOffset: number, length: number): number => {
  const source = from.bytes;
  const target = to.bytes;
  const delta = (fromOffset - toOffset) | 0;
  const end = (toOffset + length) | 0;
  let at = toOffset | 0;
  let edges = 0;
  for (; (at & 3) !== 0 && at < end; at = (at + 1) | 0) {
    const byte = source[(at + delta) | 0]!;
    target[at] = byte;
    edges = (edges + (byte << ((at & 1) << 3))) | 0;
  }
  let words = 0;
  if (at < end) {
    const first = (at + delta) >> 2;
    const shift = (delta & 3) << 3;
    let count = (end - at) >> 2;
    if (shift === 0) {
      words = copyWords(from.words, first, to.words, at >> 2, count);
    } else {
      // The last shifted word needs one more source word. If the array's length is not a multiple of 4, only a part of
      // that word exists.
      count = Math.max(0, Math.min(count, (from.words.length - first - 1) | 0));
      words = shiftWords(from.words, first, to.words, at >> 2, count, shift);
    }
    at = (at + (count << 2)) | 0;
  }
  for (; at < end; at = (at + 1) | 0) {
    const byte = source[(at + delta) | 0]!;
    target[at] = byte;
    edges = (edges + (byte << ((at & 1) << 3))) | 0;
  }
  return ordered(words + edges, toOffset);
};

const copyWords = (from: Int32Array, fromIndex: number, to: Int32Array, toIndex: number, count: number): number => {
  const end = (fromIndex + count) | 0;
  const bulk = (end - 7) | 0;
  let total = 0;
  let high = 0;
  let word = 0;
  let i = fromIndex | 0;
  let j = toIndex | 0;
  for (; i < bulk; i = (i + 8) | 0, j = (j + 8) | 0) {
    word = from[i]! | 0;
    to[j] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    word = from[(i + 1) | 0]! | 0;
    to[(j + 1) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    word = from[(i + 2) | 0]! | 0;
    to[(j + 2) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    word = from[(i + 3) | 0]! | 0;
    to[(j + 3) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    word = from[(i + 4) | 0]! | 0;
    to[(j + 4) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    word = from[(i + 5) | 0]! | 0;
    to[(j + 5) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    word = from[(i + 6) | 0]! | 0;
    to[(j + 6) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    word = from[(i + 7) | 0]! | 0;
    to[(j + 7) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
  }
  for (; i < end; i = (i + 1) | 0, j = (j + 1) | 0) {
    word = from[i]! | 0;
    to[j] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
  }
  return halves(total, high);
};

/** As `copyWords`, but the data starts `shift` bits (8, 16 or 24) after the start of the first source word. */
const shiftWords = (
  from: Int32Array,
  fromIndex: number,
  to: Int32Array,
  toIndex: number,
  count: number,
  shift: number,
): number => {
  const left = (32 - shift) | 0;
  const end = (toIndex + count) | 0;
  const bulk = (end - 7) | 0;
  let total = 0;
  let high = 0;
  let word = 0;
  let next = 0;
  let i = (fromIndex + 1) | 0;
  let j = toIndex | 0;
  let rest = (from[fromIndex]! >>> shift) | 0;
  for (; j < bulk; i = (i + 8) | 0, j = (j + 8) | 0) {
    next = from[i]! | 0;
    word = rest | (next << left);
    to[j] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
    next = from[(i + 1) | 0]! | 0;
    word = rest | (next << left);
    to[(j + 1) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
    next = from[(i + 2) | 0]! | 0;
    word = rest | (next << left);
    to[(j + 2) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
    next = from[(i + 3) | 0]! | 0;
    word = rest | (next << left);
    to[(j + 3) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
    next = from[(i + 4) | 0]! | 0;
    word = rest | (next << left);
    to[(j + 4) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
    next = from[(i + 5) | 0]! | 0;
    word = rest | (next << left);
    to[(j + 5) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
    next = from[(i + 6) | 0]! | 0;
    word = rest | (next << left);
    to[(j + 6) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
    next = from[(i + 7) | 0]! | 0;
    word = rest | (next << left);
    to[(j + 7) | 0] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
  }
  for (; j < end; i = (i + 1) | 0, j = (j + 1) | 0) {
    next = from[i]! | 0;
    word = rest | (next << left);
    to[j] = word;
    total = (total + word) | 0;
    high = (high + (word >>> 16)) | 0;
    rest = (next >>> shift) | 0;
  }
  return halves(total, high);
};
