import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { VirtualClock } from "#kit/clock.ts";
import { Misuse } from "#kit/errors.ts";
import { Errno, SystemError, check } from "#sys/errno.ts";
import { Fd, Open, openFile, read, write } from "#sys/fd.ts";
import { libc } from "#sys/libc.ts";
import { Struct } from "#sys/memory.ts";
import { StreamWire } from "./wire-stream.ts";

/** Both ends of a connection, non-blocking. */
const pair = (): [Fd, Fd] => {
  const numbers = new Struct(8);
  // SAFETY: the kernel writes two ints into a structure that is kept here.
  check(libc.socketpair(1, 1 | 0o2000000 | 0o4000, 0, numbers.address), "socketpair");
  return [new Fd(numbers.view.getInt32(0, true), "near"), new Fd(numbers.view.getInt32(4, true), "far")];
};

const setUp = () => {
  const clock = new VirtualClock();
  const ends: string[] = [];
  const wire = new StreamWire({ clock, onEnd: (why) => ends.push(why) });
  const received: number[][] = [];
  const nic = {
    room: true,
    receive: (bytes: Uint8Array, offset: number, length: number) =>
      received.push([...bytes.subarray(offset, offset + length)]) > 0,
    hasRoom: () => nic.room,
  };
  wire.plug(nic);
  const [near, far] = pair();
  wire.connect(near);
  const send = (length: number, value: number): boolean => {
    const at = wire.reserve(length);
    if (at < 0) return false;
    wire.bytes.fill(value, at, at + length);
    wire.commit(length);
    return true;
  };
  return { clock, ends, wire, received, nic, far, send };
};

/** A frame as it is on the socket. */
const framed = (...frames: (readonly number[])[]): Uint8Array =>
  Uint8Array.from(
    frames.flatMap((f) => [f.length >>> 24, (f.length >>> 16) & 255, (f.length >>> 8) & 255, f.length & 255, ...f]),
  );
const ofLength = (length: number, value = 7): number[] => Array.from({ length }, () => value);

const drain = (far: Fd): Uint8Array => {
  const parts: Uint8Array[] = [];
  const into = new Uint8Array(1 << 20);
  for (;;) {
    try {
      const length = read(far.number, into);
      if (length === 0) break;
      parts.push(into.slice(0, length));
    } catch (error) {
      if (error instanceof SystemError && error.errno === Errno.EAGAIN) break;
      throw error;
    }
  }
  return Buffer.concat(parts);
};

test("the wire sends each frame after its length, and a burst in one call", () => {
  using s = disposable(setUp());
  assert.ok(s.send(60, 1) && s.send(61, 2));
  assert.equal(drain(s.far).length, 0);
  s.wire.flush();
  assert.deepEqual(new Uint8Array(drain(s.far)), framed(ofLength(60, 1), ofLength(61, 2)));
});

test("the wire omits the padding of a short packet, as QEMU's own NICs do", () => {
  using s = disposable(setUp());
  const at = s.wire.reserve(60);
  s.wire.bytes.fill(0, at, at + 60);
  s.wire.bytes.set([0x08, 0x00, 0x45, 0, 0, 40], at + 12);
  s.wire.commit(60);
  s.wire.flush();
  assert.equal(drain(s.far).length, 4 + 14 + 40);
  assert.equal(s.wire.delivery.counts.sentBytes, 60);
});

test("the wire delivers frames that arrive in any pieces", () => {
  using s = disposable(setUp());
  const frames = [ofLength(60, 1), ofLength(1514, 2), ofLength(14, 3)];
  const bytes = framed(...frames);
  for (let at = 0; at < bytes.length; at += 7) {
    write(s.far.number, bytes.subarray(at, at + 7));
    s.wire.pump(64);
  }
  assert.deepEqual(s.received, frames);
  assert.deepEqual(s.ends, []);
});

test("any input results in frames or the end of the connection", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 20 }), (pieces) => {
      using s = disposable(setUp());
      for (const piece of pieces) {
        if (!s.wire.connected) break;
        write(s.far.number, piece);
        s.wire.pump(1000);
      }
      assert.ok(s.received.every((frame) => frame.length >= 14));
      assert.equal(s.wire.connected, s.ends.length === 0);
    }),
    { numRuns: 200 },
  );
});

test("an invalid length ends the connection, after the frames before it", () => {
  using s = disposable(setUp());
  write(s.far.number, framed(ofLength(60)));
  write(s.far.number, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3));
  s.wire.pump(64);
  assert.equal(s.received.length, 1);
  assert.deepEqual(s.ends, ["a frame with an invalid length arrived"]);
  assert.equal(s.wire.fd, -1);
});

test("frames that are too short are counted and skipped", () => {
  using s = disposable(setUp());
  write(s.far.number, framed([], ofLength(13), ofLength(14)));
  s.wire.pump(64);
  assert.equal(s.received.length, 1);
  assert.equal(s.wire.delivery.counts.malformed, 2);
});

test("a close in the middle of a frame loses that frame, and the next connection starts afresh", () => {
  using s = disposable(setUp());
  write(s.far.number, framed(ofLength(60)).subarray(0, 30));
  s.wire.pump(64);
  s.far[Symbol.dispose]();
  s.wire.pump(64);
  assert.deepEqual(s.ends, ["closed by the other side"]);
  const [near, far] = pair();
  using second = far;
  s.wire.connect(near);
  write(second.number, framed(ofLength(60)));
  s.wire.pump(64);
  assert.equal(s.received.length, 1);
});

test("frames that the NIC sends without a connection are lost and counted", () => {
  using s = disposable(setUp());
  s.far[Symbol.dispose]();
  s.wire.pump(1);
  assert.ok(s.send(60, 1));
  s.wire.flush();
  assert.equal(s.wire.delivery.counts.unsent, 1);
  assert.equal(s.wire.delivery.drops, 1);
});

test("the NIC waits for a slow reader, but not for one that reads nothing for a second, and no frame is truncated", () => {
  using s = disposable(setUp());
  let sent = 0;
  while (s.send(1514, 5)) {
    s.wire.flush();
    sent++;
  }
  assert.ok(sent > 300);
  assert.equal(s.wire.blocked, true);
  assert.equal(s.wire.delivery.counts.unsent, 0);
  s.clock.delay(1_000_000);
  assert.ok(s.send(1514, 6));
  assert.equal(s.wire.delivery.counts.unsent, 1);
  const got: Uint8Array[] = [];
  for (let i = 0; i < 100; i++) {
    got.push(drain(s.far));
    s.wire.flush();
  }
  assert.deepEqual(
    new Uint8Array(Buffer.concat(got)),
    framed(...Array.from({ length: sent }, () => ofLength(1514, 5))),
  );
  assert.equal(s.wire.blocked, false);
  assert.ok(s.send(60, 1));
});

test("a frame waits for a NIC without room, and is then dropped", () => {
  using s = disposable(setUp());
  s.nic.room = false;
  write(s.far.number, framed(ofLength(60, 1), ofLength(60, 2)));
  assert.equal(s.wire.pump(64), 0);
  assert.equal(s.wire.pending, true);
  for (let i = 0; i < 10_000; i++) s.wire.pump(1);
  s.nic.room = true;
  s.wire.pump(64);
  assert.deepEqual(s.received, [ofLength(60, 2)]);
  assert.equal(s.wire.delivery.counts.missed, 1);
});

test("the wire accepts one connection at a time", () => {
  using s = disposable(setUp());
  const [near, far] = pair();
  using _near = near;
  using _far = far;
  assert.throws(() => s.wire.connect(near), Misuse);
});

function disposable<T extends { wire: StreamWire; far: Fd }>(parts: T): T & Disposable {
  return {
    ...parts,
    [Symbol.dispose]: () => {
      parts.wire[Symbol.dispose]();
      parts.far[Symbol.dispose]();
    },
  };
}

test("an endless stream of invalid frames does not keep one call running", () => {
  using s = disposable(setUp());
  s.far[Symbol.dispose]();
  s.wire.pump(1);
  s.wire.connect(openFile("/dev/zero", Open.readOnly));
  assert.equal(s.wire.pump(4), 0);
  assert.ok(s.wire.delivery.counts.malformed > 0);
});
