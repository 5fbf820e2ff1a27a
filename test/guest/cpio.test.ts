import assert from "node:assert/strict";
import { test } from "node:test";
import { pack, unpack } from "./cpio.ts";

const FILES = [0, 1, 2, 3, 4, 4097].map((length) => ({
  path: `a/${"b".repeat(length % 7)}/${length}`,
  bytes: Buffer.alloc(length, length),
}));

test("packed files are unpacked again, without directories", () => {
  const unpacked = unpack(pack(FILES));
  assert.deepEqual(
    [...unpacked.keys()],
    FILES.map(({ path }) => path),
  );
  for (const { path, bytes } of FILES) assert.deepEqual(unpacked.get(path), bytes);
});

test("an archive truncated at any point is rejected", () => {
  const archive = pack(FILES.slice(0, 3));
  // The archive's last bytes are padding, which may be missing.
  for (let length = 0; length < archive.length - 4; length++)
    assert.throws(() => unpack(archive.subarray(0, length)), /is truncated|ends inside/, `${length} bytes`);
});
