import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import * as fc from "fast-check";
import { VirtualClock } from "#kit/clock.ts";
import type { Plug, Port } from "#kit/port.ts";
import { Direction } from "#wire/pcapng.ts";
import { readPcapng } from "#wire/pcapng-reader.ts";
import {
  CaptureFailed,
  CaptureFile,
  type CaptureIncomplete,
  type CaptureSink,
  captured,
  SNAP_LENGTH,
} from "./capture.ts";

const directory = mkdtempSync(join(tmpdir(), "ferrule-capture-"));
after(() => rmSync(directory, { recursive: true }));

const failure = (code: string): Error => Object.assign(new Error(code), { code });

/** A file of limited size, or a pipe: `capacity` returns how many bytes it accepts after those that it has. */
class FakeSink implements CaptureSink {
  contents: number[] = [];
  closed = 0;
  readonly capacity: (length: number) => number;
  constructor(capacity: (length: number) => number) {
    this.capacity = capacity;
  }
  write(bytes: Uint8Array, offset: number, length: number): number {
    const taken = Math.min(length, this.capacity(this.contents.length));
    for (let i = offset; i < offset + taken; i++) this.contents.push(bytes[i]!);
    return taken;
  }
  truncate(length: number): void {
    this.contents.length = Math.min(length, this.contents.length);
  }
  close(): void {
    this.closed++;
  }
  get packets() {
    return [...readPcapng(Uint8Array.from(this.contents))];
  }
}

const full = (limit: number) => (length: number) => {
  if (length >= limit) throw failure("ENOSPC");
  return limit - length;
};

test("a captured port records every frame of both directions with its time, and passes it on unchanged", () => {
  const path = join(directory, "both.pcapng");
  const clock = new VirtualClock();
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => i);
  const seen: string[] = [];
  let nic: Plug | undefined;
  const port: Port = {
    bytes,
    reserve: (length) => (length > 32 ? -1 : 16),
    commit: (length) => seen.push(`commit ${length}`),
    flush: () => seen.push("flush"),
    plug: (plugged) => (nic = plugged),
  };
  {
    using capture = new CaptureFile(path, { interfaces: ["fe0w"], clock, epochMicros: 1_700_000_000_999_999.5 });
    const outer = captured(port, capture);
    outer.plug({
      receive: (_bytes, offset, length) => seen.push(`receive ${length} at ${offset}`) > 0 && offset === 3,
    });
    assert.equal(outer.reserve(33), -1);
    assert.equal(outer.reserve(20), 16);
    outer.commit(20);
    outer.flush();
    clock.delay(2);
    assert.equal(nic!.receive(bytes, 3, 7), true);
    assert.equal(nic!.receive(bytes, 4, 7), false);
    assert.equal(capture.frames, 3);
  }
  assert.deepEqual(seen, ["commit 20", "flush", "receive 7 at 3", "receive 7 at 4"]);
  const [first, second, third] = [...readPcapng(readFileSync(path))];
  assert.deepEqual(
    { ...first, bytes: [...first!.bytes] },
    {
      interfaceId: 0,
      interfaceName: "fe0w",
      linkType: 1,
      direction: Direction.outbound,
      damaged: false,
      timed: true,
      seconds: 1_700_000_000,
      nanoseconds: 999_999_500,
      originalLength: 20,
      bytes: [...bytes.subarray(16, 36)],
    },
  );
  assert.deepEqual([second!.direction, second!.seconds, second!.nanoseconds], [Direction.inbound, 1_700_000_001, 1500]);
  assert.deepEqual([...second!.bytes], [3, 4, 5, 6, 7, 8, 9]);
  assert.equal(third!.bytes[0], 4);
});

test("frames beyond the buffer's size are written before the capture is closed", () => {
  const sink = new FakeSink(() => Infinity);
  const frame = new Uint8Array(60_000).fill(7);
  {
    using capture = new CaptureFile("fake", { sink });
    for (let i = 0; i < 20; i++) capture.frame(frame, 0, 50_000 + i, true);
    assert.ok(sink.contents.length > 500_000);
    capture.frame(new Uint8Array(SNAP_LENGTH + 100), 0, SNAP_LENGTH + 100, false);
    assert.equal(capture.dropped, 0);
  }
  const lengths = sink.packets.map((packet) => packet.bytes.length);
  assert.deepEqual(lengths, [...Array.from({ length: 20 }, (_, i) => 50_000 + i), SNAP_LENGTH]);
  assert.equal(sink.packets.at(-1)!.originalLength, SNAP_LENGTH + 100);
  assert.equal(sink.closed, 1);
});

test("a full disk at any point leaves whole blocks, is reported once, and does not stop traffic", () => {
  const frame = new Uint8Array(256);
  fc.assert(
    fc.property(fc.integer({ min: 200, max: 3000 }), fc.integer({ min: 1, max: 700 }), (limit, chunk) => {
      const sink = new FakeSink((length) => Math.min(chunk, full(limit)(length)));
      const errors: (CaptureFailed | CaptureIncomplete)[] = [];
      const capture = new CaptureFile("disk", { sink, onError: (error) => errors.push(error) });
      for (let i = 0; i < 40; i++) {
        capture.frame(frame, 0, 60 + i, true);
        if (i % 3 === 0) capture.flush();
      }
      capture[Symbol.dispose]();
      assert.equal(errors.length, 1);
      assert.equal(errors[0]!.code === "CAPTURE_FAILED" && errors[0]!.errno, "ENOSPC");
      assert.match(errors[0]!.hint, /disk is full/);
      assert.equal(capture.error, errors[0]);
      assert.equal(sink.closed, 1);
      // Only packets that did not fit were dropped.
      const kept = sink.packets.length;
      assert.ok(sink.contents.length + 44 + 60 + kept + 3 >= limit, `${sink.contents.length} of ${limit}`);
    }),
  );
});

test("a pipe that accepts bytes in pieces gets every byte once and in order", () => {
  let turn = 0;
  const sink = new FakeSink(() => {
    turn++;
    if (turn > 1 && turn % 3 === 0) throw failure("EAGAIN");
    return turn === 1 ? Infinity : 37;
  });
  const frame = Uint8Array.from({ length: 100 }, (_, i) => i);
  {
    using capture = new CaptureFile("pipe", { sink });
    for (let i = 0; i < 50; i++) {
      capture.frame(frame, i % 4, 60, false);
      capture.flush();
    }
    for (let i = 0; i < 300; i++) capture.flush();
    assert.equal(capture.dropped, 0);
  }
  assert.deepEqual(
    sink.packets.map((packet) => packet.bytes[0]),
    Array.from({ length: 50 }, (_, i) => i % 4),
  );
});

test("an unread pipe loses captured frames but no traffic; the loss is reported, and closing waits at most a second", () => {
  let blocked = false;
  const sink = new FakeSink(() => {
    if (blocked) throw failure("EAGAIN");
    return Infinity;
  });
  const errors: (CaptureFailed | CaptureIncomplete)[] = [];
  const clock = new VirtualClock();
  const capture = new CaptureFile("pipe", { sink, clock, onError: (error) => errors.push(error) });
  blocked = true;
  const frame = new Uint8Array(60_000);
  for (let i = 0; i < 10; i++) capture.frame(frame, 0, 60_000, true);
  assert.equal(capture.frames + capture.dropped, 10);
  assert.ok(capture.dropped > 1);
  assert.deepEqual(
    errors.map(({ code }) => code),
    ["CAPTURE_INCOMPLETE"],
  );
  capture[Symbol.dispose]();
  assert.match(errors[1]!.hint, /too slow/);
  assert.equal(clock.now(), 1_000_000);
  assert.deepEqual(sink.packets, []);
});

test("a reader that exits causes one error", () => {
  let gone = false;
  const sink = new FakeSink(() => {
    if (gone) throw failure("EPIPE");
    return Infinity;
  });
  sink.truncate = () => {
    throw failure("EINVAL");
  };
  const errors: (CaptureFailed | CaptureIncomplete)[] = [];
  using capture = new CaptureFile("pipe", { sink, onError: (error) => errors.push(error) });
  gone = true;
  capture.frame(new Uint8Array(60), 0, 60, true);
  capture.flush();
  capture.frame(new Uint8Array(60), 0, 60, true);
  capture.flush();
  assert.deepEqual(
    errors.map((error) => error.code === "CAPTURE_FAILED" && error.errno),
    ["EPIPE"],
  );
});

test("a pipe gets whole blocks, and its reader may exit without ending the process", () => {
  const path = join(directory, "watched");
  execFileSync("mkfifo", [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const errors: string[] = [];
  using capture = new CaptureFile(path, { onError: ({ message }) => errors.push(message) });
  capture.frame(new Uint8Array(60), 0, 60, true);
  capture.flush();
  const bytes = new Uint8Array(4096);
  assert.equal([...readPcapng(bytes.subarray(0, readSync(reader, bytes)))].length, 1);
  closeSync(reader);
  for (let i = 0; i < 2; i++) {
    capture.frame(new Uint8Array(60), 0, 60, true);
    capture.flush();
  }
  assert.deepEqual(errors, [`capture to ${path} stopped: EPIPE`]);
});

const refuses = (title: string, path: string, errno: string, skip: string | false = false): void => {
  void test(`a capture to ${title} is rejected at once`, { skip }, () => {
    assert.throws(
      () => new CaptureFile(path),
      (error) => error instanceof CaptureFailed && error.errno === errno && error.path === path && error.hint !== "",
    );
  });
};

refuses("a directory", directory, "EISDIR");
refuses("a missing directory", join(directory, "none", "x.pcapng"), "ENOENT");
refuses("a full device", "/dev/full", "ENOSPC", existsSync("/dev/full") ? false : "no /dev/full here");
const pipe = join(directory, "pipe");
execFileSync("mkfifo", [pipe]);
refuses("a pipe without a reader", pipe, "ENXIO");
