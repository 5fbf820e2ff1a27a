/**
 * Content of the demo's transfers. It is cheap to generate, and the digest at the other end shows lost, repeated and
 * swapped pieces.
 */

/** Size of a block. Blocks differ only in their number, with which they begin. */
export const BLOCK_BYTES = 2 ** 20;

/** Bytes that do not repeat within a block (xorshift32, Marsaglia 2003). The same seed gives the same bytes. */
const pseudoRandom = (bytes: number, seed: number): Uint8Array => {
  const words = new Uint32Array(bytes >> 2);
  let x = seed | 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return new Uint8Array(words.buffer);
};

/**
 * Yields the content in blocks, `bytes` bytes in all. Each block begins with its number, so swapped or repeated blocks
 * change the digest. Every block is new memory, which the caller may keep.
 */
export function* content(bytes: number, seed: number): Generator<Uint8Array, void, undefined> {
  const pattern = pseudoRandom(BLOCK_BYTES, seed);
  for (let made = 0, number = 0; made < bytes; made += BLOCK_BYTES, number++) {
    const block = pattern.slice(0, Math.min(BLOCK_BYTES, bytes - made));
    if (block.length >= 8) new DataView(block.buffer).setBigUint64(0, BigInt(number), true);
    yield block;
  }
}
