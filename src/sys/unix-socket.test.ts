import assert from "node:assert/strict";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { Errno } from "./errno.ts";
import { EventFd } from "./eventfd.ts";
import { Open, openFile } from "./fd.ts";
import { Mapping, createMemory } from "./mapping.ts";
import { Poller } from "./poll.ts";
import { MAX_PASSED_FDS, isAllRead, peerOf, TooManyDescriptors, UnixSocket } from "./unix-socket.ts";

/** Two connected sockets, closed at the end. */
const connected = (act: (a: UnixSocket, b: UnixSocket) => void): void => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  act(a, b);
};

test("bytes are transferred, and a receive without data is not an error", () => {
  connected((a, b) => {
    const into = new Uint8Array(8);
    assert.equal(b.receive(into), undefined);
    assert.equal(a.send(Uint8Array.of(1, 2, 3)), 3);
    assert.deepEqual(b.receive(into), { length: 3, fds: [] });
    assert.deepEqual([...into], [1, 2, 3, 0, 0, 0, 0, 0]);
  });
});

test("descriptors are transferred: an event and memory work on the other side", () => {
  connected((a, b) => {
    using event = EventFd.create();
    using memory = createMemory("passed", 4096);
    assert.equal(a.send(Uint8Array.of(7), [event.number, memory.number]), 1);
    const incoming = b.receive(new Uint8Array(8));
    assert.equal(incoming?.fds.length, 2);
    using theirEvent = incoming.fds[0]!;
    using theirMemory = incoming.fds[1]!;
    assert.notEqual(theirEvent.number, event.number);
    EventFd.attach(theirEvent.number).signal();
    assert.equal(event.drain(), true);
    using mine = Mapping.map(memory.number, 0, 4096, "mine");
    using theirs = Mapping.map(theirMemory.number, 0, 4096, "theirs");
    new Uint8Array(mine.buffer)[9] = 9;
    assert.equal(new Uint8Array(theirs.buffer)[9], 9);
  });
});

test("the maximum number of descriptors is transferred; one more is rejected by the sender", () => {
  connected((a, b) => {
    using file = openFile("/dev/null", Open.readOnly);
    const fds = Array.from({ length: MAX_PASSED_FDS }, () => file.number);
    assert.equal(a.send(Uint8Array.of(1), fds), 1);
    const incoming = b.receive(new Uint8Array(1));
    assert.equal(incoming?.fds.length, MAX_PASSED_FDS);
    for (const fd of incoming.fds) fd[Symbol.dispose]();
    assert.throws(() => a.send(Uint8Array.of(1), [...fds, file.number]), TooManyDescriptors);
  });
});

test("a descriptor that is not open cannot be passed", () => {
  connected((a) => {
    const closed = openFile("/dev/null", Open.readOnly);
    const { number } = closed;
    closed[Symbol.dispose]();
    assert.equal(a.send(Uint8Array.of(1), [number]), -Errno.EBADF);
  });
});

test("a slow reader causes EAGAIN, a closed one EPIPE, and neither kills the process", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  const bytes = new Uint8Array(65536);
  let last = 0;
  for (let i = 0; i < 1000 && last >= 0; i++) last = a.send(bytes);
  assert.equal(last, -Errno.EAGAIN);
  b[Symbol.dispose]();
  assert.equal(a.send(bytes), -Errno.EPIPE);
});

test("after the other side has closed, a read returns no bytes", () => {
  connected((a, b) => {
    a.shutdown();
    const poller = new Poller([b.number]);
    assert.equal(poller.wait(1000), 1);
    assert.equal(b.receive(new Uint8Array(1))?.length, 0);
    b.shutdown();
  });
});

test("reports when the other side has read everything", () => {
  connected((a, b) => {
    assert.ok(isAllRead(a.number));
    a.send(new Uint8Array(1000));
    assert.equal(isAllRead(a.number), false);
    b.receive(new Uint8Array(999));
    assert.equal(isAllRead(a.number), false);
    b.receive(new Uint8Array(999));
    assert.ok(isAllRead(a.number));
    assert.ok(isAllRead(b.number));
  });
});

test("the peer of a socket pair is this process", () => {
  connected((a) => {
    assert.deepEqual(peerOf(a.number), { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
  });
  using file = openFile("/dev/null", Open.readOnly);
  assert.throws(() => peerOf(file.number), { code: "ENOTSOCK" });
});

test("sending a message without bytes and receiving into an empty buffer are errors", () => {
  connected((a, b) => {
    assert.throws(() => a.send(new Uint8Array(0)), OutOfRange);
    assert.throws(() => b.receive(new Uint8Array(0)), OutOfRange);
  });
});
