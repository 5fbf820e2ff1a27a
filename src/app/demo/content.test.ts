import assert from "node:assert/strict";
import { test } from "node:test";
import { BLOCK_BYTES, content } from "./content.ts";

const lengths = (bytes: number): number[] => [...content(bytes, 1)].map((block) => block.length);

test("the content has exactly the requested length", () => {
  assert.deepEqual(lengths(1), [1]);
  assert.deepEqual(lengths(BLOCK_BYTES), [BLOCK_BYTES]);
  assert.deepEqual(lengths(2 * BLOCK_BYTES + 5), [BLOCK_BYTES, BLOCK_BYTES, 5]);
});

test("the content is the same for the same seed, and different for another seed", () => {
  const [first, again, other] = [1, 1, 2].map((seed) => [...content(1000, seed)][0]);
  assert.deepEqual(first, again);
  assert.notDeepEqual(first, other);
});

test("no two blocks are equal, so swapped and repeated blocks are detected", () => {
  const blocks = [...content(4 * BLOCK_BYTES, 1)].map((block) => Buffer.from(block).toString("latin1"));
  assert.equal(new Set(blocks).size, 4);
});

test("a block has no short period, so a shifted piece is detected", () => {
  const block = [...content(BLOCK_BYTES, 1)][0]!;
  for (const shift of [1, 4, 64, 1448, 1460, 65536]) {
    let same = 0;
    for (let i = 8; i + shift < block.length; i += 97) if (block[i] === block[i + shift]) same++;
    assert.ok(same < block.length / 97 / 50, `shifted by ${shift}`);
  }
});
