/**
 * Tests that the hot path allocates no memory: ten million frames must cause no garbage collection, and the heap must
 * grow by less than 64 KiB.
 */
import assert from "node:assert/strict";
import { PerformanceObserver } from "node:perf_hooks";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createRingPath, PATHS, SLOTS, type RingPath } from "../bench/ring-path.ts";

const FRAMES = 10_000_000;
/** Number of frames after which the engine has finished compiling. Compiling itself allocates memory. */
const WARM_UP_FRAMES = 3_000_000;
const BATCH = 32;
const LARGEST_GROWTH = 64 * 1024;
const TRIES = 3;

interface Collected {
  readonly collections: number;
  /** Growth of the used heap in bytes. */
  readonly growth: number;
}

/** Runs `work`. Returns the number of garbage collections meanwhile, and by how much the heap has grown. */
const observed = async (work: () => void): Promise<Collected> => {
  let collections = 0;
  let [start, end] = [Infinity, Infinity];
  const count = (entries: readonly { startTime: number }[]): void => {
    collections += entries.filter(({ startTime }) => startTime >= start && startTime <= end).length;
  };
  const observer = new PerformanceObserver((list) => count(list.getEntries()));
  observer.observe({ entryTypes: ["gc"] });
  start = performance.now();
  const before = process.memoryUsage().heapUsed;
  work();
  const growth = process.memoryUsage().heapUsed - before;
  end = performance.now();
  // The observer gets its entries from the event loop.
  await setImmediate();
  count(observer.takeRecords());
  observer.disconnect();
  return { collections, growth };
};

const isSteady = ({ collections, growth }: Collected): boolean => collections === 0 && growth < LARGEST_GROWTH;

const forward = (path: RingPath, frames: number): void => {
  for (let ring = 0; ring < Math.ceil(frames / SLOTS); ring++) {
    path.device();
    for (let i = 0; i < SLOTS; i += BATCH) path.forward(BATCH);
  }
};

for (const kind of PATHS)
  for (const weaklyOrdered of [process.arch !== "x64", process.arch === "x64"]) {
    const how = weaklyOrdered ? "through Atomics (arm64)" : "by plain loads and stores (x86-64)";
    test(`the rings forward 10 million frames by ${kind} ${how} without garbage`, async () => {
      using scope = new DisposableStack();
      const path = createRingPath(scope, kind, weaklyOrdered);
      forward(path, WARM_UP_FRAMES);
      // Code that the engine has compiled on another thread is installed between two turns of the event loop.
      await setImmediate();
      forward(path, WARM_UP_FRAMES);
      await setImmediate();
      // Garbage that frames cause would occur in every round. Garbage of the engine's compiler occurs only once, but on
      // a busy machine the compiler may run late.
      let seen = await observed(() => forward(path, FRAMES));
      for (let more = 0; more < TRIES && !isSteady(seen); more++) seen = await observed(() => forward(path, FRAMES));
      assert.ok(isSteady(seen), `${seen.collections} garbage collections; the heap grew by ${seen.growth} bytes`);
      assert.ok(path.intact(), "a frame was damaged or dropped");
    });
  }

test("the measurement detects objects that are allocated", async () => {
  const kept: unknown[] = [];
  const { collections, growth } = await observed(() => {
    for (let i = 0; i < 2_000_000; i++) kept[i & 0xffff] = { i };
  });
  assert.ok(
    collections > 0 && growth > LARGEST_GROWTH,
    `${collections} garbage collections; the heap grew by ${growth} bytes`,
  );
});
