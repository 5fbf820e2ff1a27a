import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, connect, type Socket } from "node:net";
import { test } from "node:test";
import * as fc from "fast-check";
import { OutOfRange } from "#kit/errors.ts";
import type { Plug, SegmentSource } from "#kit/port.ts";
import { ffiProblem } from "#sys/ffi.ts";
import { Interfaces } from "#sys/interface.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { whyNoNamespace, whyNoTap } from "#sys/permitted.ts";
import { Tap } from "#sys/tap.ts";
import { sum } from "#wire/checksum.ts";
import { memoryOf, newMemory } from "#wire/memory.ts";
import { slowSum } from "#wire/reference.test-kit.ts";
import { FakeTap, NO_REQUEST } from "./frame-sockets.test-kit.ts";
import { data, OFFLOADS, superFrame, TCP, tcpFrame, udpFrame, V4 } from "./host-frames.test-kit.ts";
import { MemoryNic, type MemoryNicOptions } from "./memory-nic.test-kit.ts";
import { TapUplink } from "./tap-uplink.ts";
import { TapWire } from "./tap-wire.ts";
import { DATA_VALID, Gso } from "./vnet-header.ts";

const skip = ffiProblem()?.message ?? false;
const skipTap = ffiProblem()?.message ?? (whyNoNamespace() ?? whyNoTap())?.message ?? false;
const tcpSum = (frame: Uint8Array): number =>
  slowSum(frame, 34, frame.length - 34, slowSum(frame, 26, 8, 6 + frame.length - 34));

/** Accepts frames while it has room. */
class Noting implements Plug {
  readonly frames: Uint8Array[] = [];
  room = Infinity;
  hasRoom(): boolean {
    return this.room > 0;
  }
  receive(bytes: Uint8Array, offset: number, length: number): boolean {
    this.room--;
    this.frames.push(bytes.slice(offset, offset + length));
    return true;
  }
}

const rig = () => {
  const far = new FakeTap();
  const seen: { length: number; outgoing: boolean }[] = [];
  const wire = new TapWire({
    tap: far.tap,
    capture: { frame: (_bytes, _offset, length, outgoing) => seen.push({ length, outgoing }) },
  });
  const nic = new Noting();
  wire.plug(nic);
  const put = (frame: Uint8Array): void => {
    const at = wire.reserve(frame.length);
    wire.bytes.set(frame, at);
    wire.commit(frame.length);
  };
  return { far, wire, nic, seen, put, [Symbol.dispose]: () => far[Symbol.dispose]() };
};

test("the segments of a burst reach the far kernel as one frame whose checksum it verifies", { skip }, () => {
  using r = rig();
  for (let i = 0; i < 10; i++) r.put(tcpFrame(V4, 1448, { ...TCP, sequence: 3 + i * 1448 }));
  assert.deepEqual(r.far.received(), []);
  r.wire.flush();
  const [got, ...none] = r.far.received();
  assert.deepEqual(none, []);
  assert.equal(got!.flags, 0);
  assert.deepEqual([got!.gso, got!.segmentBytes, got!.headerBytes], [Gso.tcp4, 1448, 66]);
  assert.equal(got!.frame.length, 66 + 14_480);
  assert.equal(tcpSum(got!.frame), 0xffff);
  assert.deepEqual(
    r.seen,
    Array.from({ length: 10 }, () => ({ length: 66 + 1448, outgoing: true })),
  );
});

test("the frame that is written does not depend on whether a NIC marks consecutive segments", { skip }, () => {
  const sent = [false, true].map((hints) => {
    using r = rig();
    for (let i = 0; i < 60; i++) {
      const frame = tcpFrame(V4, i === 59 ? 1 : 1448, { ...TCP, sequence: 3 + i * 1448 });
      const at = r.wire.reserve(frame.length);
      r.wire.bytes.set(frame, at);
      r.wire.commit(frame.length, hints && i > 0);
    }
    r.wire.flush();
    return r.far.received();
  });
  assert.deepEqual(sent[1], sent[0]);
  assert.equal(sent[0]!.length, 2);
});

test(
  "the frames that are written, single or merged, do not depend on whether a NIC leaves payload in guest memory",
  { skip },
  () => {
    const STAGED = 400 << 10;
    for (const count of [1, 5, 60]) {
      const segments = Array.from({ length: count }, (_, i) => tcpFrame(V4, 1448, { ...TCP, sequence: 3 + i * 1448 }));
      const sent = [false, true].map((apart) => {
        using far = new FakeTap();
        const memory = newMemory(1 << 20);
        const wire = new TapWire({ tap: far.tap, memory });
        assert.ok(wire.gathers);
        wire.plug(new Noting());
        for (const [i, frame] of segments.entries()) {
          const at = wire.reserve(apart ? 66 : frame.length);
          memory.bytes.set(apart ? frame.subarray(0, 66) : frame, at);
          memory.bytes.set(frame.subarray(66), STAGED + i * 1448);
          if (apart) wire.commitSplit(66, STAGED + i * 1448, 1448, i > 0);
          else wire.commit(frame.length, i > 0);
        }
        wire.flush();
        return { frames: far.received(), counters: wire.counters };
      });
      assert.deepEqual(sent[1], sent[0]);
    }
  },
);

test("payload outside the memory is refused; a capture requires whole frames", { skip }, () => {
  using r = rig();
  assert.equal(r.wire.gathers, false);
  r.wire.reserve(66);
  assert.throws(() => r.wire.commitSplit(66, r.wire.bytes.length - 100, 101, false), OutOfRange);
  assert.throws(() => r.wire.commitSplit(66, -1, 101, false), OutOfRange);
  assert.throws(() => r.wire.commitSplit(0, 0, 101, false), OutOfRange);
});

test("more frames than the staging memory holds are all written, in order", { skip }, () => {
  using r = rig();
  const sizes = Array.from({ length: 400 }, (_, i) => 100 + ((i * 739) % 9000));
  const got: number[] = [];
  for (const size of sizes) {
    r.put(udpFrame(V4, size));
    got.push(...r.far.received().map(({ frame }) => frame.length - 42));
  }
  r.wire.flush();
  got.push(...r.far.received().map(({ frame }) => frame.length - 42));
  assert.deepEqual(got, sizes);
});

test("a commit without reservation, or longer than the reservation, is refused", { skip }, () => {
  using r = rig();
  assert.equal(r.wire.reserve(1 << 20), -1);
  assert.equal(r.wire.reserve(0), -1);
  assert.throws(() => r.wire.commit(60), OutOfRange);
  assert.ok(r.wire.reserve(60) >= 0);
  assert.throws(() => r.wire.commit(1 << 20), OutOfRange);
});

test(
  "a super-frame from the far kernel is segmented, and waits without loss while the NIC has no room",
  { skip },
  () => {
    using r = rig();
    r.far.send(superFrame(V4, 60_000));
    r.far.send({ ...NO_REQUEST, frame: udpFrame(V4, 100) });
    r.nic.room = 7;
    assert.equal(r.wire.pump(64), 7);
    assert.equal(r.wire.pump(64), 0);
    assert.equal(r.wire.pending, Math.ceil(60_000 / 1448) - 7);
    r.nic.room = Infinity;
    assert.equal(r.wire.pump(5), 5);
    while (r.wire.pump(64) > 0);
    assert.equal(r.wire.pending, 0);
    const segments = r.nic.frames.slice(0, -1);
    assert.deepEqual(
      segments.flatMap((segment) => [...segment.subarray(66)]),
      [...data(60_000)],
    );
    assert.ok(segments.every((segment) => tcpSum(segment) === 0xffff));
    assert.deepEqual(r.nic.frames.at(-1), udpFrame(V4, 100));
    assert.equal(r.wire.counters.drops, 0);
    assert.equal(r.seen.length, r.nic.frames.length);
  },
);

test("a super-frame that the far kernel forwards with a complete checksum is segmented too", { skip }, () => {
  for (const flags of [0, DATA_VALID]) {
    using r = rig();
    const frame = tcpFrame(V4, 5000);
    r.far.send({ ...superFrame(V4, 5000), flags, checksumStart: 0, checksumOffset: 0, frame });
    while (r.wire.pump(64) > 0);
    assert.equal(r.wire.counters.drops, 0);
    assert.deepEqual(
      r.nic.frames.flatMap((segment) => [...segment.subarray(66)]),
      [...frame.subarray(66)],
    );
    assert.ok(r.nic.frames.every((segment) => tcpSum(segment) === 0xffff));
  }
});

test("a call delivers frames up to its budget, and keeps a super-frame that exceeds the rest of it", { skip }, () => {
  using r = rig();
  for (const segments of [40, 40, 40]) r.far.send(superFrame(V4, segments * 1448));
  for (let i = 0; i < 20; i++) r.far.send({ ...NO_REQUEST, frame: udpFrame(V4, 100) });
  r.far.send(superFrame(V4, 30 * 1448));
  // A super-frame that is longer than the budget of 35 is delivered in parts, because this NIC does not accept
  // segments.
  const budgets = [100, 35, 5, 16, 16, 16, 16, 16];
  assert.deepEqual(
    budgets.map((budget) => r.wire.pump(budget)),
    [80, 35, 5, 16, 4, 16, 14, 0],
  );
});

test(
  "a NIC that accepts segments as they are built gets the same frames and counts as one that gets whole frames",
  { skip },
  () => {
    /** Accepts segments while it has room, and builds each one's frame. */
    class Taking extends Noting {
      bytes: Uint8Array = new Uint8Array(0);
      receiveSegments(segments: SegmentSource): number {
        let taken = 0;
        for (; segments.left > 0 && this.hasRoom(); taken++) {
          const { offset, length, headerBytes } = segments;
          segments.make(sum(memoryOf(this.bytes), offset + headerBytes, length - headerBytes));
          this.receive(this.bytes, offset, length);
          segments.skip();
        }
        return taken;
      }
    }
    const ways = [new Noting(), new Taking()].map((nic) => {
      using far = new FakeTap();
      const wire = new TapWire({ tap: far.tap });
      if (nic instanceof Taking) nic.bytes = wire.bytes;
      wire.plug(nic);
      far.send(superFrame(V4, 60_000));
      far.send({ ...NO_REQUEST, frame: udpFrame(V4, 100) });
      far.send(superFrame(V4, 1449));
      nic.room = 7;
      while (wire.pump(64) > 0);
      assert.equal(wire.pending, Math.ceil(60_000 / 1448) - 7);
      nic.room = Infinity;
      while (wire.pump(64) > 0);
      return { frames: nic.frames, counters: wire.counters, pending: wire.pending };
    });
    assert.deepEqual(ways[1], ways[0]);
    assert.equal(ways[0]!.frames.length, Math.ceil(60_000 / 1448) + 3);
  },
);

test("a NIC without room does not block others: its frames are dropped and counted", { skip }, () => {
  using r = rig();
  r.nic.room = 0;
  for (let i = 0; i < 5; i++) r.far.send({ ...NO_REQUEST, frame: udpFrame(V4, 100) });
  for (let i = 0; i < 20_000; i++) r.wire.pump(64);
  assert.equal(r.wire.counters.drops, 5);
  assert.equal(r.wire.pending, 0);
});

test("a short frame from the far kernel is padded with zeros, as the far machine's NIC would do", { skip }, () => {
  using r = rig();
  // Fills the buffer; the padding of the next frame must not contain these bytes.
  r.far.send({ ...NO_REQUEST, frame: new Uint8Array(200).fill(0xee) });
  r.far.send({ ...NO_REQUEST, frame: new Uint8Array(42).fill(7) });
  while (r.wire.pump(64) > 0);
  assert.deepEqual([...r.nic.frames[1]!], [...new Uint8Array(42).fill(7), ...new Uint8Array(18)]);
});

test("for any virtio header, the NIC gets frames no longer than the one received", { skip }, () => {
  using r = rig();
  const half = fc.oneof(fc.constantFrom(0, 6, 14, 16, 34, 66, 1448), fc.nat(0xffff));
  const request = fc.record({
    flags: fc.nat(3),
    gso: fc.constantFrom(0, 1, 4, 5, 0x81),
    headerBytes: half,
    segmentBytes: half,
    checksumStart: half,
    checksumOffset: half,
    frame: fc.constantFrom(tcpFrame(V4, 3000), udpFrame(V4, 40), new Uint8Array(20)),
  });
  fc.assert(
    fc.property(request, (host) => {
      r.nic.frames.length = 0;
      r.far.send(host);
      while (r.wire.pump(64) > 0);
      assert.ok(r.nic.frames.every((frame) => frame.length <= Math.max(60, host.frame.length)));
    }),
    { seed: 20_260_118, numRuns: 500 },
  );
});

/** Two kernels' network stacks, with an uplink, a NIC and a wire between them that the event loop pumps. */
const network = (options: Omit<MemoryNicOptions, "port"> = {}) => {
  const scope = new DisposableStack();
  const make = (name: string, address: string): { tap: Tap; namespace: NetworkNamespace; interfaces: Interfaces } => {
    const namespace = scope.use(NetworkNamespace.create());
    return namespace.within(() => {
      const tap = scope.use(Tap.open(name, { vnetHeader: true }));
      const interfaces = scope.use(Interfaces.open());
      interfaces.setIpv4(name, address, 24);
      interfaces.up(name);
      return { tap, namespace, interfaces };
    });
  };
  const near = make("near0", "192.0.2.1");
  const far = make("far0", "192.0.2.2");
  const wire = new TapWire({ tap: far.tap });
  const nic = new MemoryNic({ ...options, port: wire });
  const { link, sendArena } = nic;
  const uplink = scope.use(new TapUplink({ tap: near.tap, link, sendArena, offloads: OFFLOADS }));
  let running = true;
  const pump = (): void => {
    if (!running) return;
    uplink.pumpOut(64);
    wire.pump(256);
    uplink.pumpIn(256);
    setImmediate(pump);
  };
  scope.defer(() => (running = false));
  pump();
  return { near, far, wire, nic, uplink, [Symbol.dispose]: () => scope.dispose() };
};

const digest = async (socket: Socket): Promise<string> => {
  const hash = createHash("sha256");
  for await (const chunk of socket) hash.update(chunk as Buffer);
  return hash.digest("hex");
};

/** Sends bytes over TCP: to the far end if `forth`, otherwise from the far end. Returns a hash of the received data. */
const transfer = async (n: ReturnType<typeof network>, bytes: Uint8Array, forth: boolean): Promise<string> => {
  // A socket belongs to the namespace of its thread at the time of creation.
  const server = n.far.namespace.within(() => createServer().listen(5000));
  using home = NetworkNamespace.current();
  n.near.namespace.enter();
  const client = connect(5000, "192.0.2.2");
  const [accepted] = (await once(server, "connection")) as [Socket];
  home.enter();
  const [from, to] = forth ? [client, accepted] : [accepted, client];
  from.end(bytes);
  const result = await digest(to);
  client.destroy();
  accepted.destroy();
  server.close();
  return result;
};

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test("two kernels exchange data through super-frames on both sides, without a drop", { skip: skipTap }, async () => {
  using n = network();
  const bytes = data(16 << 20);
  for (const forth of [true, false]) assert.equal(await transfer(n, bytes, forth), sha256(bytes));
  const { sendDrops, receiveDrops, merged, writes, softwareCuts } = n.uplink.counters;
  assert.deepEqual({ sendDrops, receiveDrops, softwareCuts }, { sendDrops: 0, receiveDrops: 0, softwareCuts: 0 });
  assert.ok(n.nic.superFrames > 100, `${n.nic.superFrames} super-frames`);
  assert.ok(n.nic.sent > 10 * n.nic.superFrames, `${n.nic.sent} frames sent`);
  assert.ok(merged > 5 * writes, `${merged} frames merged in ${writes} writes`);
  assert.ok(n.wire.counters.sentFrames > 5 * n.wire.counters.writes);
  assert.equal(n.wire.counters.drops, 0);
});

test("the far kernel detects every segment that the NIC has damaged", { skip: skipTap }, async () => {
  let frames = 0;
  let damaged = 0;
  using n = network({
    fault: (bytes, offset, length) => {
      if (length < 1000 || ++frames % 400 !== 0) return;
      damaged++;
      // Damages alternately the checksum and a byte of the payload, as a faulty engine would.
      bytes[offset + (damaged % 2 === 0 ? 50 : 700)]! ^= 0x10;
    },
  });
  const bytes = data(4 << 20);
  assert.equal(await transfer(n, bytes, true), sha256(bytes));
  assert.ok(damaged > 3, `${damaged} damaged`);
});

test("a NIC with very few descriptors slows TCP down and loses nothing", { skip: skipTap }, async () => {
  using n = network({ slots: 6 });
  const bytes = data(4 << 20);
  assert.equal(await transfer(n, bytes, true), sha256(bytes));
  assert.equal(n.uplink.counters.sendDrops, 0);
});

test("frames for an interface that is down are counted separately", { skip: skipTap }, () => {
  using n = network();
  n.far.interfaces.down("far0");
  n.near.interfaces.down("near0");
  const frame = udpFrame(V4, 100);
  const at = n.wire.reserve(frame.length);
  n.wire.bytes.set(frame, at);
  n.wire.commit(frame.length);
  n.wire.flush();
  n.nic.plug.receive(frame, 0, frame.length);
  n.uplink.pumpIn(64);
  assert.deepEqual([n.wire.counters.hostDown, n.wire.counters.drops], [1, 0]);
  assert.deepEqual([n.uplink.counters.hostDown, n.uplink.counters.receiveDrops], [1, 0]);
});

test("closing the TAP, which deletes the interface, ends the uplink with an error", { skip: skipTap }, () => {
  using n = network();
  n.near.tap[Symbol.dispose]();
  assert.throws(() => n.uplink.pumpOut(64), { code: "DESCRIPTOR_CLOSED" });
});
