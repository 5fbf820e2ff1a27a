import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { getHeapStatistics } from "node:v8";
import { OutOfRange } from "#kit/errors.ts";
import { EventFd } from "./eventfd.ts";
import { Iovecs, readv } from "./memory.ts";
import { Poll, Poller } from "./poll.ts";
import { UnixSocket } from "./unix-socket.ts";

/** Time limit of a wait that an event is expected to end. */
const LIMIT_MILLIS = 300_000;

test("a wait says which descriptors are ready", () => {
  using a = EventFd.create();
  using b = EventFd.create();
  const poller = new Poller([a.number, b.number]);
  assert.equal(poller.wait(0), 0);
  b.signal();
  assert.equal(poller.wait(1000), 1);
  assert.deepEqual([poller.ready(0), poller.ready(1)], [false, true]);
  a.signal();
  assert.equal(poller.wait(-1), 2);
  assert.deepEqual([poller.failed(0), poller.failed(1)], [false, false]);
});

test("an excluded descriptor is not waited on until it is included again", () => {
  using event = EventFd.create();
  event.signal();
  const poller = new Poller([event.number]);
  poller.include(0, false);
  poller.include(0, false);
  assert.equal(poller.wait(0), 0);
  poller.include(0, true);
  poller.include(0, true);
  assert.equal(poller.wait(0), 1);
});

test("writable is reported only if it is requested", () => {
  const [a, b] = UnixSocket.pair();
  using _b = b;
  using _a = a;
  const poller = new Poller([a.number]);
  assert.equal(poller.wait(0), 0);
  poller.watch(0, Poll.readable | Poll.writable);
  assert.equal(poller.wait(0), 1);
  assert.equal(poller.writable(0), true);
  poller.watch(0, 0);
  assert.equal(poller.wait(0), 0);
});

test("the end of the other side and a closed descriptor are reported as failures", () => {
  const [a, b] = UnixSocket.pair();
  const poller = new Poller([a.number]);
  b[Symbol.dispose]();
  assert.equal(poller.wait(1000), 1);
  assert.equal(poller.failed(0), true);
  a[Symbol.dispose]();
  assert.equal(poller.wait(1000), 1);
  assert.equal(poller.failed(0), true);
});

test("a signal ends a wait early without an error", async () => {
  using event = EventFd.create();
  const poller = new Poller([event.number]);
  const signalled = once(process, "SIGWINCH");
  // The signal is sent repeatedly, because this thread may begin to wait only after the first one.
  const child = spawn("sh", ["-c", `while sleep 0.2; do kill -WINCH ${process.pid}; done`]);
  try {
    await once(child, "spawn");
    const start = performance.now();
    assert.equal(poller.wait(LIMIT_MILLIS), 0);
    assert.ok(performance.now() - start < LIMIT_MILLIS, "no signal ended the wait");
    assert.equal(poller.ready(0), false);
    await signalled;
  } finally {
    child.kill("SIGKILL");
    await once(child, "close");
  }
});

test("an empty list of descriptors, and a descriptor that is not in the list, are errors", () => {
  assert.throws(() => new Poller([]), OutOfRange);
  using event = EventFd.create();
  const poller = new Poller([event.number]);
  for (const i of [-1, 1, NaN]) {
    assert.throws(() => poller.ready(i), OutOfRange);
    assert.throws(() => poller.watch(i, Poll.readable), OutOfRange);
    assert.throws(() => poller.include(i, true), OutOfRange);
  }
});

test("signal, poll, readv and drain allocate nothing", () => {
  using event = EventFd.create();
  const poller = new Poller([event.number]);
  const iovecs = new Iovecs(2, new ArrayBuffer(4096), new ArrayBuffer(16));
  const turn = (rounds: number): number => {
    let sum = 0;
    for (let i = 0; i < rounds; i++) {
      event.signal();
      sum += poller.wait(0) + (poller.ready(0) ? 1 : 0);
      iovecs.pointAside(0, 0, 8);
      iovecs.point(1, (i & 31) * 64, 64);
      sum += readv(event.number, iovecs, 2) + readv(event.number, iovecs, 2);
      if (event.drain()) sum++;
    }
    return sum;
  };
  turn(50_000);
  const before = getHeapStatistics().total_allocated_bytes;
  const rounds = 150_000;
  assert.equal(turn(rounds), rounds * (1 + 1 + 8 - 11));
  const grown = getHeapStatistics().total_allocated_bytes - before;
  // V8 counts whole pages of its heap; a single boxed number per round would be 12 bytes times the rounds.
  assert.ok(grown < rounds * 6, `${grown} bytes allocated in ${rounds} rounds`);
});
