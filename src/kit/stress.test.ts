/**
 * Tests shared structures with real threads. Each thread is a worker that loads this file and runs one of the tasks
 * below.
 */
import assert from "node:assert/strict";
import { once as event } from "node:events";
import { test } from "node:test";
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { Borrower, LEASE_WORDS, Lender } from "./lease.ts";
import { SequenceReader, SequenceWriter } from "./seqlock.ts";
import { SpscConsumer, SpscProducer, spscWords } from "./spsc.ts";

/** Time limit of each wait in microseconds. It is long because a very busy machine may delay a thread. */
const LIMIT_MICROS = 300_000_000;
const ROUNDS = 20_000;
const SET = 12;
const RING = { records: 64, recordWords: 3 };
const RECORDS = 200_000;
const TERMS = 200;
/** Index of the word with the term. */
const TERM = LEASE_WORDS;
/** Index of a counter that both threads change without a lock. */
const COUNT = LEASE_WORDS + 1;
/** Index of a flag that tells the borrower to end. */
const OVER = LEASE_WORDS + 2;

const tasks = {
  publish: (words: Int32Array<SharedArrayBuffer>) => {
    const writer = new SequenceWriter(words, SET);
    const values = new Int32Array(SET);
    for (let i = 1; i <= ROUNDS; i++) writer.publish(values.fill(i));
  },
  produce: (words: Int32Array<SharedArrayBuffer>) => {
    const producer = new SpscProducer(words, RING);
    for (let i = 0; i < RECORDS;) {
      const at = producer.reserve();
      if (at < 0) {
        Atomics.pause();
        continue;
      }
      producer.words[at] = i;
      producer.words[at + 1] = ~i;
      producer.words[at + 2] = i * 7;
      producer.commit();
      i++;
    }
  },
  borrow: (words: Int32Array<SharedArrayBuffer>) => {
    const borrower = new Borrower(words);
    let last = 0;
    while (Atomics.load(words, OVER) === 0) {
      const term = Atomics.load(words, TERM);
      if (term === last) continue;
      last = term;
      if (!borrower.take(term)) continue;
      while (!borrower.recalled) words[COUNT]!++;
      borrower.giveBack();
    }
  },
};

const shared = (words: number): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4 * words));

interface Errand {
  readonly task: keyof typeof tasks;
  readonly words: Int32Array<SharedArrayBuffer>;
}

const thread = async (task: Errand["task"], words: Errand["words"]): Promise<void> => {
  const worker = new Worker(new URL(import.meta.url), { workerData: { task, words } });
  const [code] = (await event(worker, "exit")) as [number];
  assert.equal(code, 0, `the ${task} thread failed`);
};

if (isMainThread) {
  test("a reader of a sequence lock never sees a mixed set, or a set older than one that it has seen", async () => {
    const words = shared(1 + SET);
    const reader = new SequenceReader(words, SET);
    const seen = new Int32Array(SET);
    const writing = thread("publish", words);
    const end = performance.now() + LIMIT_MICROS / 1000;
    for (let last = 0; last < ROUNDS && performance.now() < end; last = seen[0]!) {
      reader.read(seen, LIMIT_MICROS);
      for (const value of seen) if (value !== seen[0]) assert.fail(`a mixed set: ${seen.join()}`);
      if (seen[0]! < last) assert.fail(`${seen[0]} came after ${last}`);
    }
    await writing;
    reader.read(seen);
    assert.equal(seen[SET - 1], ROUNDS);
  });

  test("a ring carries every record between two threads, in order and whole", async () => {
    const words = shared(spscWords(RING));
    const consumer = new SpscConsumer(words, RING);
    const producing = thread("produce", words);
    const end = performance.now() + LIMIT_MICROS / 1000;
    let next = 0;
    while (next < RECORDS && performance.now() < end) {
      const at = consumer.peek();
      if (at < 0) continue;
      const record = consumer.words.subarray(at, at + 3);
      if (record[0] !== next || record[1] !== ~next || record[2] !== next * 7)
        assert.fail(`record ${next} arrived as ${record.join()}`);
      consumer.release();
      next++;
    }
    assert.equal(next, RECORDS);
    await producing;
    assert.equal(consumer.peek(), -1);
  });

  test("a leased resource is used by one thread at a time, and no change of either thread is lost", async () => {
    const words = shared(LEASE_WORDS + 3);
    const lender = new Lender(words);
    const borrowing = thread("borrow", words);
    let ours = 0;
    for (let i = 0; i < TERMS; i++) {
      Atomics.store(words, TERM, lender.lend());
      // One term in four is recalled after the borrower has used the resource, the others at once.
      const end = performance.now() + LIMIT_MICROS / 1000;
      const counted = Atomics.load(words, COUNT);
      if (i % 4 === 0) while (Atomics.load(words, COUNT) === counted && performance.now() < end) Atomics.pause();
      lender.recall();
      assert.ok(lender.returned(LIMIT_MICROS / 1000));
      const before = words[COUNT]!;
      for (let n = 0; n < 100; n++) words[COUNT]!++;
      assert.equal(words[COUNT], before + 100);
      ours += 100;
    }
    Atomics.store(words, OVER, 1);
    await borrowing;
    assert.ok(words[COUNT]! > ours, "the borrower never used the resource");
  });
} else {
  const { task, words } = workerData as Errand;
  tasks[task](words);
}
