import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { OutOfRange } from "#kit/errors.ts";
import { DescriptorClosed, Fd, Open, openFile, write } from "./fd.ts";
import { EventFd, NotAnEvent } from "./eventfd.ts";
import { libc } from "./libc.ts";
import { Poller } from "./poll.ts";
import { UnixSocket } from "./unix-socket.ts";

test("an event is taken once, however often it was raised", () => {
  using event = EventFd.create();
  assert.equal(event.drain(), false);
  event.signal();
  event.signal();
  assert.equal(event.drain(), true);
  assert.equal(event.drain(), false);
});

test("another handle of the same event raises it, and closes nothing", () => {
  using event = EventFd.create();
  const other = EventFd.attach(event.number);
  other.signal();
  other[Symbol.dispose]();
  assert.equal(event.drain(), true);
  assert.throws(() => EventFd.attach(-1), OutOfRange);
});

test("a disposed event cannot be raised or waited on", () => {
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

test("an event from elsewhere is adopted with its descriptor; anything else is not", () => {
  using mine = EventFd.create();
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  a.send(Uint8Array.of(1), [mine.number]);
  {
    using theirs = EventFd.adopt(b.receive(new Uint8Array(1))!.fds[0]!);
    theirs.signal();
    assert.ok(mine.drain());
  }
  using file = openFile("/dev/null", Open.readWrite);
  assert.throws(() => EventFd.adopt(file), NotAnEvent);
  assert.ok(file.open);
});

test("a signal never blocks, not even where the descriptor would", () => {
  // SAFETY: no argument is an address.
  const number = libc.eventfd(0, 0o2000000);
  using event = EventFd.adopt(new Fd(number, "blocking event"));
  write(number, new Uint8Array(new BigUint64Array([2n ** 64n - 2n]).buffer));
  event.signal();
  event.signal();
  assert.ok(event.drain());
});

test("nor where it did not, and its other owner says afterwards that it shall", () => {
  const [F_SETFL, NONBLOCK] = [4, 0o4000];
  // SAFETY: no argument is an address.
  const number = libc.eventfd(0, 0o2000000 | NONBLOCK);
  using event = EventFd.adopt(new Fd(number, "event of two owners"));
  // SAFETY: no argument is an address.
  assert.equal(libc.fcntl(number, F_SETFL, 0n), 0);
  write(number, new Uint8Array(new BigUint64Array([2n ** 64n - 2n]).buffer));
  event.signal();
  assert.ok(event.drain());
});
