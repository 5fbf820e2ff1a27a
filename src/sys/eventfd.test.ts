import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { OutOfRange } from "#kit/errors.ts";
import { DescriptorClosed } from "./fd.ts";
import { EventFd } from "./eventfd.ts";
import { libc } from "./libc.ts";
import { Poller } from "./poll.ts";

test("an event is taken once, however often it was signalled", () => {
  using event = EventFd.create();
  assert.equal(event.drain(), false);
  event.signal();
  event.signal();
  assert.equal(event.drain(), true);
  assert.equal(event.drain(), false);
});

test("another handle of the same event signals it, and closes nothing", () => {
  using event = EventFd.create();
  const other = EventFd.attach(event.number);
  other.signal();
  other[Symbol.dispose]();
  assert.equal(event.drain(), true);
  assert.throws(() => EventFd.attach(-1), OutOfRange);
});

test("a disposed event cannot be signalled or waited on", () => {
  const event = EventFd.create();
  event[Symbol.dispose]();
  event[Symbol.dispose]();
  assert.throws(() => event.signal(), DescriptorClosed);
  assert.throws(() => event.drain(), DescriptorClosed);
  assert.throws(() => event.number, DescriptorClosed);
});

test("an event raised in another thread ends a wait in this one", async () => {
  using event = EventFd.create();
  const module = JSON.stringify(new URL("eventfd.ts", import.meta.url).href);
  const worker = new Worker(`import(${module}).then(({ EventFd }) => EventFd.attach(${event.number}).signal())`, {
    eval: true,
  });
  await new Promise<void>((resolve, reject) => {
    worker.once("online", resolve);
    worker.once("error", reject);
  });
  const poller = new Poller([event.number]);
  assert.equal(poller.wait(60_000), 1);
  assert.equal(poller.ready(0), true);
  assert.equal(event.drain(), true);
  await worker.terminate();
});

test("a shared event is drained without waiting, whatever flags its other owner sets", () => {
  using event = EventFd.create({ shared: true });
  event.signal();
  event.signal();
  assert.ok(event.drain());
  const [F_SETFL, BLOCKING] = [4, 0n];
  // SAFETY: no argument is an address.
  assert.equal(libc.fcntl(event.number, F_SETFL, BLOCKING), 0);
  assert.equal(event.drain(), false);
  event.signal();
  assert.ok(event.drain());
});
