import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { EventSignaller } from "./aio.ts";
import { EventFd } from "./eventfd.ts";
import { Fd, Open, openFile, read, write } from "./fd.ts";
import { libc } from "./libc.ts";
import { PeerEvent } from "./peer-event.ts";
import { Poll, Poller } from "./poll.ts";

const EFD_SEMAPHORE = 1;
const BLOCKING = 0;
/** The largest value that write(2) can give to an eventfd's counter. */
const FULL = 2n ** 64n - 2n;

const eventfd = (flags: number): Fd => {
  // SAFETY: no argument is an address.
  return new Fd(libc.eventfd(0, flags | 0o2000000), "event of another process");
};
const fill = (event: Fd): void => void write(event.number, new Uint8Array(new BigUint64Array([FULL]).buffer));
const countOf = (event: Fd): bigint => {
  const bytes = new Uint8Array(8);
  read(event.number, bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
};

test("the event of another process is signalled any number of times", () => {
  using signaller = new EventSignaller();
  using event = eventfd(BLOCKING);
  using ours = PeerEvent.adopt(event.duplicate(), signaller)!;
  for (let i = 0; i < 1000; i++) ours.signal();
  assert.equal(countOf(event), 1000n);
});

test("a signal does not block, although the counter is full and the descriptor is blocking", () => {
  using signaller = new EventSignaller();
  using event = eventfd(BLOCKING);
  using ours = PeerEvent.adopt(event.duplicate(), signaller)!;
  fill(event);
  const poller = new Poller([event.number]);
  poller.watch(0, Poll.writable);
  assert.equal(poller.wait(0), 0, "write(2) would block");
  for (let i = 0; i < 100; i++) ours.signal();
  assert.ok(countOf(event) >= FULL);
});

test("an eventfd with EFD_SEMAPHORE is signalled like any other", () => {
  using signaller = new EventSignaller();
  using event = eventfd(EFD_SEMAPHORE);
  using ours = PeerEvent.adopt(event.duplicate(), signaller)!;
  ours.signal();
  ours.signal();
  assert.deepEqual([countOf(event), countOf(event)], [1n, 1n]);
});

test("descriptors of other files are not adopted, and keep their owner", () => {
  using signaller = new EventSignaller();
  using file = openFile("/dev/null", Open.readWrite);
  assert.equal(PeerEvent.adopt(file, signaller), undefined);
  assert.ok(file.open);
});

test("a signaller leaks nothing", () => {
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 3; i++) new EventSignaller()[Symbol.dispose]();
  assert.equal(readdirSync("/proc/self/fd").length, before);
  using event = EventFd.create();
  using signaller = new EventSignaller();
  signaller.signal(event.number);
  assert.ok(event.drain());
});
