import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange, Timeout } from "./errors.ts";
import { SequenceReader, SequenceWriter, sequenceWords } from "./seqlock.ts";

test("a reader sees the set published last", () => {
  const cells = new Int32Array(sequenceWords(3));
  const writer = new SequenceWriter(cells, 3);
  const reader = new SequenceReader(cells, 3);
  const seen = new Int32Array(3).fill(9);
  reader.read(seen);
  assert.deepEqual([...seen], [0, 0, 0]);
  writer.publish(Int32Array.of(1, -2, 3));
  writer.publish(Int32Array.of(4, -5, 6));
  reader.read(seen);
  assert.deepEqual([...seen], [4, -5, 6]);
});

test("a reader times out on a writer that died while writing, and a new writer makes reading possible again", () => {
  const cells = new Int32Array(sequenceWords(2));
  new SequenceWriter(cells, 2).publish(Int32Array.of(1, 2));
  cells[0]!++;
  cells[1] = 77;
  const seen = new Int32Array(2);
  const reader = new SequenceReader(cells, 2);
  assert.throws(() => reader.read(seen, 500), Timeout);
  new SequenceWriter(cells, 2).publish(Int32Array.of(5, 6));
  reader.read(seen);
  assert.deepEqual([...seen], [5, 6]);
});

test("sets are published and read correctly when the sequence number wraps at 32 bits", () => {
  const cells = new Int32Array(sequenceWords(1));
  const seen = new Int32Array(1);
  for (const start of [0x7fff_fffe, -2]) {
    cells[0] = start;
    const writer = new SequenceWriter(cells, 1);
    for (let i = 1; i < 4; i++) {
      writer.publish(Int32Array.of(i));
      new SequenceReader(cells, 1).read(seen);
      assert.equal(seen[0], i);
    }
  }
});

test("a sequence lock rejects memory that is too small, and sets of another length", () => {
  assert.throws(() => new SequenceWriter(new Int32Array(3), 3), OutOfRange);
  assert.throws(() => new SequenceReader(new Int32Array(3), 0), OutOfRange);
  const cells = new Int32Array(sequenceWords(3));
  assert.throws(() => new SequenceWriter(cells, 3).publish(new Int32Array(2)), OutOfRange);
  assert.throws(() => new SequenceReader(cells, 3).read(new Int32Array(4)), OutOfRange);
});
