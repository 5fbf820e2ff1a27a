/** The locks under real threads. This file is both the tests and, loaded by a worker, what the threads do. */
import assert from "node:assert/strict";
import { once as event } from "node:events";
import { test } from "node:test";
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { Mutex } from "./mutex.ts";
import { Once } from "./once.ts";
import { SequenceReader, SequenceWriter } from "./seqlock.ts";
import { SpinLock } from "./spinlock.ts";
import { SpscConsumer, SpscProducer, spscWords } from "./spsc.ts";

/** Microseconds that a thread may be held up on a machine however busy. */
const PATIENCE = 300_000_000;
const THREADS = 4;
const ROUNDS = 20_000;
const SPIN_ROUNDS = 100_000;
const SET = 12;
const RING = { records: 64, recordWords: 3 };
const RECORDS = 200_000;
const ONCES = 500;

/** Words 16 and up are what the lock in word 0 protects; plain accesses on purpose, so that a broken lock shows. */
const tasks = {
  mutex: (words: Int32Array<SharedArrayBuffer>) => {
    const mutex = new Mutex(words);
    for (let i = 0; i < ROUNDS; i++) {
      using _guard = mutex.acquire(PATIENCE);
      words[16]!++;
      words[32]!--;
    }
  },
  spin: (words: Int32Array<SharedArrayBuffer>) => {
    const lock = new SpinLock(words);
    for (let i = 0; i < SPIN_ROUNDS; i++) {
      lock.acquire(PATIENCE);
      words[16]!++;
      words[32]!--;
      lock.release();
    }
  },
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
  once: (words: Int32Array<SharedArrayBuffer>) => {
    for (let i = 0; i < ONCES; i++) {
      // Doing it takes long enough for the others to catch up and come at the next one together.
      new Once(words, i).run(() => {
        words[ONCES + i]!++;
        for (let spins = 0; spins < 200; spins++) Atomics.pause();
      }, PATIENCE);
      if (words[ONCES + i] !== 1) throw new Error("what was done once is not visible");
    }
  },
};

const shared = (words: number): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4 * words));

interface Errand {
  readonly task: keyof typeof tasks;
  readonly words: Int32Array<SharedArrayBuffer>;
  /** How many threads are still to come; none starts before all have. */
  readonly gate: Int32Array<SharedArrayBuffer>;
}

const thread = async (task: Errand["task"], words: Errand["words"], gate = shared(1)): Promise<void> => {
  const worker = new Worker(new URL(import.meta.url), { workerData: { task, words, gate } });
  const [code] = (await event(worker, "exit")) as [number];
  assert.equal(code, 0, `the ${task} thread failed`);
};

const threads = async (task: Errand["task"], words: Errand["words"]): Promise<void> => {
  const gate = shared(1).fill(THREADS);
  await Promise.all(Array.from({ length: THREADS }, () => thread(task, words, gate)));
};

if (isMainThread) {
  for (const [name, task, rounds] of [
    ["mutex", "mutex", ROUNDS],
    ["spin lock", "spin", SPIN_ROUNDS],
  ] as const)
    test(`a ${name} keeps four threads from losing one another's counts`, async () => {
      const words = shared(48);
      await threads(task, words);
      assert.equal(words[16], THREADS * rounds);
      assert.equal(words[32], -THREADS * rounds);
      assert.equal(words[0], 0, "the lock is free at the end");
    });

  test("a sequence lock never shows a reader a mixed or older set", async () => {
    const words = shared(1 + SET);
    const reader = new SequenceReader(words, SET);
    const seen = new Int32Array(SET);
    const writing = thread("publish", words);
    const end = performance.now() + PATIENCE / 1000;
    for (let last = 0; last < ROUNDS && performance.now() < end; last = seen[0]!) {
      reader.read(seen, PATIENCE);
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
    const end = performance.now() + PATIENCE / 1000;
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

  test("of four threads one does what is to be done once, and the others see it done", async () => {
    const words = shared(2 * ONCES);
    await threads("once", words);
    for (let i = 0; i < ONCES; i++) assert.equal(words[ONCES + i], 1);
  });
} else {
  const { task, words, gate } = workerData as Errand;
  Atomics.sub(gate, 0, 1);
  while (Atomics.load(gate, 0) > 0) Atomics.pause();
  tasks[task](words);
}
