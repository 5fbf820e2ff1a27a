import assert from "node:assert/strict";
import { closeSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { OutOfRange } from "#kit/errors.ts";
import { Errno } from "./errno.ts";
import { EventFd } from "./eventfd.ts";
import { MessageStream } from "./message-stream.ts";
import { UnixSocket } from "./unix-socket.ts";

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;

const connected = (act: (a: UnixSocket, b: UnixSocket, stream: MessageStream) => void, max = 2): void => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  using stream = new MessageStream(64, 64, max, closeSync);
  act(a, b, stream);
};

test("bytes are received and sent at any offset of the buffers, and nowhere else", () => {
  connected((a, b, stream) => {
    assert.equal(stream.receive(b.number, 0), -Errno.EAGAIN);
    a.send(Uint8Array.of(1, 2, 3));
    assert.equal(stream.receive(b.number, 60), 3);
    assert.deepEqual([...stream.incoming.subarray(59)], [0, 1, 2, 3, 0]);
    stream.outgoing.set([7, 8], 62);
    assert.equal(stream.send(b.number, 62, 2), 2);
    const into = new Uint8Array(4);
    assert.equal(a.receive(into)?.length, 2);
    assert.deepEqual([...into], [7, 8, 0, 0]);
    for (const [offset, length] of [
      [63, 2],
      [-1, 2],
      [0, 0],
      [65, 1],
      [NaN, 1],
    ] as const)
      assert.throws(() => stream.send(b.number, offset, length), OutOfRange);
    assert.throws(() => stream.receive(b.number, 64), OutOfRange);
  });
});

test("a receive returns no more bytes than fit into the rest of the buffer", () => {
  connected((a, b, stream) => {
    a.send(new Uint8Array(100).fill(5));
    assert.equal(stream.receive(b.number, 10), 54);
    assert.equal(stream.receive(b.number, 0), 46);
  });
});

test("descriptors arrive with the bytes with which they were sent, and a receive ends after those bytes", () => {
  connected((a, b, stream) => {
    using event = EventFd.create();
    a.send(Uint8Array.of(1));
    a.send(Uint8Array.of(2), [event.number]);
    a.send(Uint8Array.of(3));
    assert.equal(stream.receive(b.number, 0), 2);
    assert.ok(stream.carriesFds);
    const [theirs, ...rest] = stream.take();
    using _theirs = theirs!;
    assert.equal(rest.length, 0);
    EventFd.attach(theirs!.number).signal();
    assert.ok(event.drain());
    assert.equal(stream.carriesFds, false);
    assert.equal(stream.receive(b.number, 0), 1);
    assert.deepEqual(stream.take(), []);
  });
});

test("descriptors can be sent", () => {
  connected((a, b, stream) => {
    using event = EventFd.create();
    assert.equal(stream.sendWith(b.number, 0, 3, [event.number, event.number]), 3);
    const incoming = a.receive(new Uint8Array(8));
    assert.equal(incoming?.fds.length, 2);
    for (const fd of incoming.fds) fd[Symbol.dispose]();
    assert.throws(() => stream.sendWith(b.number, 0, 1, [1, 2, 3]), OutOfRange);
    assert.equal(stream.sendWith(b.number, 0, 1, []), 1);
  });
});

test("too many descriptors are reported, and closed", () => {
  connected((a, b, stream) => {
    using event = EventFd.create();
    const before = openDescriptors();
    a.send(Uint8Array.of(1), [event.number, event.number, event.number, event.number]);
    assert.equal(stream.receive(b.number, 0), 1);
    assert.ok(stream.tooMany);
    assert.deepEqual(stream.take(), []);
    assert.equal(stream.tooMany, false);
    assert.equal(openDescriptors(), before);
  });
});

test("descriptors that are not taken are closed with the next ones, and at the end", () => {
  const before = openDescriptors();
  connected((a, b, stream) => {
    for (let i = 0; i < 3; i++) {
      a.send(Uint8Array.of(1), [a.number]);
      stream.receive(b.number, 0);
    }
    assert.equal(openDescriptors(), before + 3);
  });
  assert.equal(openDescriptors(), before);
});

test("the end of the stream and a broken connection are reported", () => {
  const [a, b] = UnixSocket.pair();
  using _b = b;
  using stream = new MessageStream(64, 64, 1, closeSync);
  a[Symbol.dispose]();
  assert.equal(stream.receive(b.number, 0), 0);
  assert.equal(stream.send(b.number, 0, 1), -Errno.EPIPE);
});
