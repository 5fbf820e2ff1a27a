import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Misuse, OutOfRange } from "./errors.ts";
import { RingCorrupt, SpscConsumer, SpscProducer, spscWords } from "./spsc.ts";

const TAIL = 0;
const HEAD = 16;

const push = (producer: SpscProducer, value: number): boolean => {
  const at = producer.reserve();
  if (at < 0) return false;
  producer.words[at] = value;
  producer.words[at + 1] = ~value;
  producer.commit();
  return true;
};

const pop = (consumer: SpscConsumer): number | undefined => {
  const at = consumer.peek();
  if (at < 0) return undefined;
  const value = consumer.words[at]!;
  assert.equal(consumer.words[at + 1], ~value);
  consumer.release();
  return value;
};

test("a ring is a queue with room for `records` records, even when its indices wrap", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 8),
      fc.constantFrom(0, 5, 0x7fff_fffd, -3),
      fc.array(fc.boolean(), { maxLength: 60 }),
      (records, start, pushes) => {
        const shape = { records, recordWords: 2 };
        const words = new Int32Array(spscWords(shape));
        words[TAIL] = start;
        words[HEAD] = start;
        const producer = new SpscProducer(words, shape);
        const consumer = new SpscConsumer(words, shape);
        const queue: number[] = [];
        for (const [i, isPush] of pushes.entries())
          if (isPush) {
            assert.equal(push(producer, i), queue.length < records);
            if (queue.length < records) queue.push(i);
          } else assert.equal(pop(consumer), queue.shift());
      },
    ),
  );
});

test("a record is not seen before it is committed, nor overwritten before it is released", () => {
  const shape = { records: 1, recordWords: 2 };
  const words = new Int32Array(spscWords(shape));
  const producer = new SpscProducer(words, shape);
  const consumer = new SpscConsumer(words, shape);
  producer.words[producer.reserve()] = 5;
  assert.equal(consumer.peek(), -1);
  producer.commit();
  assert.equal(consumer.words[consumer.peek()], 5);
  assert.equal(producer.reserve(), -1);
  consumer.release();
  assert.notEqual(producer.reserve(), -1);
});

test("a new producer and a new consumer continue where the old ones stopped", () => {
  const shape = { records: 4, recordWords: 2 };
  const words = new Int32Array(spscWords(shape));
  push(new SpscProducer(words, shape), 1);
  push(new SpscProducer(words, shape), 2);
  assert.equal(pop(new SpscConsumer(words, shape)), 1);
  assert.equal(pop(new SpscConsumer(words, shape)), 2);
});

test("committing without reserving and releasing without peeking throw", () => {
  const shape = { records: 2, recordWords: 2 };
  const words = new Int32Array(spscWords(shape));
  const producer = new SpscProducer(words, shape);
  assert.throws(() => producer.commit(), Misuse);
  push(producer, 1);
  assert.throws(() => producer.commit(), Misuse);
  const consumer = new SpscConsumer(words, shape);
  assert.throws(() => consumer.release(), Misuse, "nothing was peeked at yet");
  pop(consumer);
  assert.throws(() => consumer.release(), Misuse);
});

test("an invalid index in shared memory is reported, not used", () => {
  const shape = { records: 4, recordWords: 2 };
  const words = new Int32Array(spscWords(shape));
  const producer = new SpscProducer(words, shape);
  const consumer = new SpscConsumer(words, shape);
  words[TAIL] = 5;
  assert.throws(() => consumer.peek(), RingCorrupt);
  words[HEAD] = 1;
  assert.throws(() => producer.reserve(), RingCorrupt);
});

test("a ring rejects an invalid number or length of records, and memory that is too small", () => {
  for (const records of [0, 3, -4, 2 ** 21, 1.5, NaN])
    assert.throws(() => spscWords({ records, recordWords: 2 }), OutOfRange);
  for (const recordWords of [0, 65, 0.5]) assert.throws(() => spscWords({ records: 4, recordWords }), OutOfRange);
  const shape = { records: 4, recordWords: 2 };
  const short = new Int32Array(spscWords(shape) - 1);
  assert.throws(() => new SpscProducer(short, shape), OutOfRange);
  assert.throws(() => new SpscConsumer(short, shape), OutOfRange);
});
