import assert from "node:assert/strict";
import { test } from "node:test";
import { type Offloads, Received, Send } from "#kit/link.ts";
import { ffiProblem } from "#sys/ffi.ts";
import { get16, put16 } from "#wire/bigendian.ts";
import { buildTcpFrame } from "#wire/frames.ts";
import { newMemory } from "#wire/memory.ts";
import { slowSum } from "#wire/reference.test-kit.ts";
import { FakeTap, NO_REQUEST } from "./frame-sockets.test-kit.ts";
import { data, OFFLOADS, partial, superFrame, TCP, tcpFrame, udpFrame, V4, V6 } from "./host-frames.test-kit.ts";
import { NO_OFFLOADS } from "./send-request.ts";
import { RecordingLink } from "./recording-link.test-kit.ts";
import { UplinkIn } from "./uplink-in.ts";
import { FRAME_ROOM, UplinkOut } from "./uplink-out.ts";
import { DATA_VALID } from "./vnet-header.ts";

const skip = ffiProblem()?.message ?? false;

const outRig = (offloads: Offloads = OFFLOADS) => {
  const host = new FakeTap();
  const link = new RecordingLink();
  const out = new UplinkOut({
    taps: [host.tap],
    link,
    sendArena: { offset: 64, length: 400 << 10 },
    offloads,
    capture: undefined,
  });
  return { host, link, out, [Symbol.dispose]: () => host[Symbol.dispose]() };
};

const inRig = () => {
  const host = new FakeTap();
  const link = new RecordingLink();
  return {
    host,
    link,
    uplink: new UplinkIn(host.tap, link, undefined),
    [Symbol.dispose]: () => host[Symbol.dispose](),
  };
};

/** Whether the checksum of a finished frame is correct; computed with a simple loop. */
const isIntact = (frame: Uint8Array, transport: number, addresses: number, protocol: number): boolean => {
  const length = frame.length - transport;
  return (
    slowSum(frame, transport, length, slowSum(frame, transport - addresses, addresses, protocol + length)) === 0xffff
  );
};

test(
  "a super-frame is sent whole, in fragments of at most 16 KiB, with segment size and transport offset",
  { skip },
  () => {
    using rig = outRig();
    const whole = superFrame(V4, 62_264);
    rig.host.send(whole);
    assert.equal(rig.out.pump(64), 1);
    const [sent] = rig.link.frames;
    assert.deepEqual(sent!.frame, whole.frame);
    assert.deepEqual(sent!.fragments, [16_384, 16_384, 16_384, whole.frame.length - 3 * 16_384]);
    assert.equal(sent!.flags, 1448 | (34 << Send.transportOffsetShift) | Send.tcpChecksum);
  },
);

test("no last fragment is tiny, whatever a super-frame's length", { skip }, () => {
  using rig = outRig();
  for (const length of [0, 1, 6, 63, 64, 65]) {
    const whole = superFrame(V4, 16_384 - 66 + length);
    rig.host.send(whole);
    rig.out.pump(64);
    const sent = rig.link.frames.pop()!;
    assert.deepEqual(sent.frame, whole.frame);
    assert.ok(sent.fragments.at(-1)! > 64);
  }
});

test("the uplink reports when the TAP has no more frames, and reads none with a budget of 0", { skip }, () => {
  using rig = outRig();
  for (let i = 0; i < 2; i++) rig.host.send({ ...NO_REQUEST, frame: udpFrame(V4, 100) });
  assert.equal(rig.out.pump(0), 0);
  assert.equal(rig.out.drained, false, "not read yet");
  assert.equal(rig.out.pump(1), 1);
  assert.equal(rig.out.drained, false);
  assert.equal(rig.out.pump(64), 1);
  assert.equal(rig.out.drained, true);
  rig.host.send({ ...NO_REQUEST, frame: udpFrame(V4, 100) });
  rig.out.pump(1);
  assert.equal(rig.out.drained, false);
});

test("several queues of a TAP are read in turn, and are drained once none has a frame", { skip }, () => {
  using one = new FakeTap();
  using other = new FakeTap();
  const link = new RecordingLink();
  const sendArena = { offset: 64, length: 400 << 10 };
  const out = new UplinkOut({ taps: [one.tap, other.tap], link, sendArena, offloads: OFFLOADS, capture: undefined });
  const lengths = (): number[] => link.frames.splice(0).map(({ frame }) => frame.length);
  for (let i = 0; i < 4; i++) one.send({ ...NO_REQUEST, frame: udpFrame(V4, 100) });
  for (let i = 0; i < 2; i++) other.send({ ...NO_REQUEST, frame: udpFrame(V4, 200) });
  // The queues take turns, even if one always has frames.
  assert.equal(out.pump(1) + out.pump(1), 2);
  assert.deepEqual(
    lengths().toSorted((a, b) => a - b),
    [142, 242],
  );
  assert.equal(out.drained, false);
  assert.equal(out.pump(64), 4);
  assert.equal(lengths().length, 4);
  assert.equal(out.drained, true);
  other.send({ ...NO_REQUEST, frame: udpFrame(V4, 300) });
  assert.equal(out.pump(64), 1);
  assert.deepEqual(lengths(), [342]);
});

test("the length is removed from the pseudo header's sum of an IPv6 super-frame", { skip }, () => {
  using rig = outRig();
  const whole = superFrame(V6, 20_000);
  rig.host.send(whole);
  rig.out.pump(64);
  const [sent] = rig.link.frames;
  assert.equal(sent!.flags, 1448 | (54 << Send.transportOffsetShift) | Send.tcpChecksum | Send.ipv6);
  assert.equal(get16(sent!.frame, 70), slowSum(whole.frame, 22, 32, 6));
});

test("TCP and UDP checksums are left to the NIC for frames of 60 bytes or more", { skip }, () => {
  using rig = outRig();
  rig.host.send(partial(udpFrame(V4, 1000), V4, 6));
  rig.host.send(partial(tcpFrame(V6, 1000), V6, 16));
  rig.host.send(partial(udpFrame(V4, 3), V4, 6));
  rig.host.send({ ...NO_REQUEST, frame: udpFrame(V4, 100) });
  rig.out.pump(64);
  const flags = rig.link.frames.map((sent) => sent.flags);
  assert.deepEqual(flags, [
    Send.udpChecksum | (34 << Send.transportOffsetShift),
    Send.tcpChecksum | Send.ipv6 | (54 << Send.transportOffsetShift),
    0,
    0,
  ]);
  assert.equal(rig.out.softwareSums, 1);
  const short = rig.link.frames[2]!.frame;
  assert.equal(short.length, 60);
  assert.deepEqual(short.slice(0, 45), udpFrame(V4, 3));
  assert.ok(short.subarray(45).every((byte) => byte === 0));
});

test("a tag is stripped from the frame and passed beside it", { skip }, () => {
  using rig = outRig();
  const ends = { ...V4, tag: 0x6123 };
  rig.host.send(superFrame(ends, 9000));
  rig.host.send({ ...NO_REQUEST, frame: udpFrame(ends, 100) });
  rig.out.pump(64);
  const [cut, plain] = rig.link.frames;
  assert.equal(cut!.flags, 1448 | (34 << Send.transportOffsetShift) | Send.tcpChecksum | Send.tag);
  assert.equal(cut!.tag, 0x6123);
  assert.deepEqual(cut!.frame, superFrame(V4, 9000).frame);
  assert.equal(plain!.flags, Send.tag);
  assert.deepEqual(plain!.frame, udpFrame(V4, 100));
});

test("checksums and segmentation that the NIC cannot do are done in software, with the same result", { skip }, () => {
  using rig = outRig(NO_OFFLOADS);
  const tagged = { ...V6, tag: 7 };
  rig.host.send(superFrame(V4, 60_000));
  rig.host.send(superFrame(tagged, 30_000, 4000));
  rig.host.send(partial(udpFrame(V4, 1000), V4, 6));
  while (rig.out.pump(64) > 0);
  const { frames: sent } = rig.link;
  assert.deepEqual([rig.out.softwareCuts, rig.out.softwareSums, rig.out.drops], [2, 1, 0]);
  const count = Math.ceil(60_000 / 1448);
  const first = sent.slice(0, count);
  const second = sent.slice(count, -1);
  assert.deepEqual(
    first.flatMap(({ frame }) => [...frame.subarray(66)]),
    [...data(60_000)],
  );
  assert.deepEqual(
    second.flatMap(({ frame }) => [...frame.subarray(86)]),
    [...data(30_000)],
  );
  assert.ok(first.every(({ frame, flags }) => flags === 0 && isIntact(frame, 34, 8, 6)));
  assert.ok(second.every(({ frame, flags, tag }) => flags === Send.tag && tag === 7 && isIntact(frame, 54, 32, 6)));
  assert.deepEqual(sent.at(-1)!.frame, udpFrame(V4, 1000));
});

test("a forwarded super-frame with a complete checksum is segmented in software", { skip }, () => {
  for (const flags of [0, DATA_VALID])
    for (const ends of [V4, V6]) {
      using rig = outRig();
      const request = superFrame(ends, 5000);
      rig.host.send({ ...request, flags, checksumStart: 0, checksumOffset: 0, frame: tcpFrame(ends, 5000) });
      while (rig.out.pump(64) > 0);
      assert.deepEqual([rig.out.softwareCuts, rig.out.drops], [1, 0]);
      const [at, addresses] = ends === V4 ? [34, 8] : [54, 32];
      assert.deepEqual(
        rig.link.frames.flatMap(({ frame }) => [...frame.subarray(at + 32)]),
        [...data(5000)],
      );
      assert.ok(rig.link.frames.every((each) => each.flags === 0 && isIntact(each.frame, at, addresses, 6)));
    }
});

test("offloads are not requested over IPv6 if the NIC supports them over IPv4 only", { skip }, () => {
  using rig = outRig({ ...OFFLOADS, ipv6: false });
  rig.host.send(partial(udpFrame(V4, 1000), V4, 6));
  rig.host.send(superFrame(V4, 9000));
  rig.host.send(partial(udpFrame(V6, 1000), V6, 6));
  rig.host.send(superFrame(V6, 9000));
  while (rig.out.pump(64) > 0);
  const [sum, cut, sum6, ...cut6] = rig.link.frames;
  const at = 34 << Send.transportOffsetShift;
  assert.equal(sum!.flags, at | Send.udpChecksum);
  assert.equal(cut!.flags, 1448 | at | Send.tcpChecksum);
  assert.deepEqual([sum6!.flags, sum6!.frame], [0, udpFrame(V6, 1000)]);
  assert.ok(cut6.every(({ frame, flags }) => flags === 0 && isIntact(frame, 54, 32, 6)));
  assert.deepEqual([rig.out.softwareCuts, rig.out.softwareSums, rig.out.drops], [1, 1, 0]);
});

test("with a full ring nothing more is read, and nothing is lost", { skip }, () => {
  for (const offloads of [OFFLOADS, NO_OFFLOADS]) {
    using rig = outRig(offloads);
    rig.link.room = 5;
    rig.link.pace = 1;
    let stalls = 0;
    const sizes = [60_000, 100, 40_000, 1, 20_000, 64_000 - 66, 5000, 30_000];
    for (const size of sizes.slice(0, 2)) rig.host.send(superFrame(V4, size));
    for (let turn = 0; turn < 2000; turn++) {
      const size = sizes[turn + 2];
      if (size !== undefined) rig.host.send(superFrame(V4, size));
      rig.out.pump(64);
      if (rig.out.stalled) stalls++;
    }
    assert.ok(stalls > 0);
    assert.equal(rig.out.stalled, false);
    assert.equal(rig.out.drops, 0);
    const got = rig.link.frames.flatMap(({ frame }) => [...frame.subarray(66)]);
    // Every frame has 66 bytes of headers, so none is short enough to be padded.
    assert.equal(
      got.length,
      sizes.reduce((a, b) => a + b),
    );
    assert.deepEqual(
      got,
      sizes.flatMap((size) => [...data(size)]),
    );
  }
});

test("a frame that is too long, too short, or has a segment size of 0 is dropped and counted", { skip }, () => {
  using rig = outRig();
  rig.host.send({ ...NO_REQUEST, frame: new Uint8Array(FRAME_ROOM + 1) });
  rig.host.send({ ...NO_REQUEST, frame: new Uint8Array(13) });
  rig.host.send({ ...superFrame(V4, 3000), segmentBytes: 0 });
  rig.out.pump(64);
  assert.equal(rig.out.drops, 3);
  assert.equal(rig.link.frames.length, 0);
});

test("frames and segments that the NIC has not taken are counted when they are discarded", { skip }, () => {
  for (const room of [0, 5, 20]) {
    using rig = outRig(NO_OFFLOADS);
    rig.link.room = room;
    for (const size of [60_000, 30_000]) rig.host.send(superFrame(V4, size));
    rig.out.pump(64);
    rig.out.pump(64);
    rig.out.discard();
    rig.out.discard();
    // The second frame is not read while the first is still being segmented.
    const read = rig.out.frames === 2 ? [60_000, 30_000] : [60_000];
    const segments = read.reduce((sum, size) => sum + Math.ceil(size / 1448), 0);
    assert.equal(rig.link.frames.length + rig.out.discards, segments, `${room} descriptors`);
  }
});

test("segments that the NIC has verified reach the host as one frame with a partial checksum", { skip }, () => {
  for (const [ends, good] of [
    [V4, Received.ipChecksumGood | Received.tcpChecksumGood] as const,
    [V6, Received.tcpChecksumGood] as const,
  ]) {
    using rig = inRig();
    const payload = data(5000);
    for (let at = 0; at < 5000; at += 1000) {
      const memory = newMemory(1200);
      const header = { ...TCP, sequence: 3 + at };
      const length = buildTcpFrame(
        memory,
        0,
        { ...ends, identification: at / 1000 },
        header,
        payload.subarray(at, at + 1000),
      );
      rig.link.arrive(memory.bytes.slice(0, length), good);
    }
    assert.equal(rig.uplink.pump(64), 5);
    const [got, ...none] = rig.host.received();
    assert.deepEqual(none, []);
    const expected = superFrame(ends, 5000, 1000);
    assert.deepEqual({ ...got, frame: [] }, { ...expected, frame: [] });
    assert.deepEqual(got!.frame, expected.frame);
    assert.equal(rig.uplink.merged, 5);
  }
});

test("single frames are passed on unchanged, and long verified ones with a partial checksum", { skip }, () => {
  using rig = inRig();
  const udp = Received.ipChecksumGood | Received.udpChecksumGood;
  const bare = udpFrame(V4, 1000);
  put16(bare, 40, 0);
  rig.link.arrive(udpFrame(V4, 1000), udp);
  rig.link.arrive(udpFrame(V6, 1000), 0);
  rig.link.arrive(udpFrame(V4, 20), udp);
  rig.link.arrive(bare, udp);
  rig.uplink.pump(64);
  assert.deepEqual(rig.host.received(), [
    partial(udpFrame(V4, 1000), V4, 6),
    { ...NO_REQUEST, frame: udpFrame(V6, 1000) },
    { ...NO_REQUEST, frame: udpFrame(V4, 20) },
    { ...NO_REQUEST, frame: bare },
  ]);
});

test("a tag that the NIC stripped is reinserted", { skip }, () => {
  using rig = inRig();
  const good = Received.tagged | Received.ipChecksumGood | Received.udpChecksumGood;
  const ends = { ...V4, tag: 0x2005 };
  rig.link.arrive(udpFrame(V4, 100), good, 0x2005);
  rig.link.arrive(udpFrame(V4, 1000), good, 0x2005);
  rig.uplink.pump(64);
  assert.deepEqual(rig.host.received(), [
    { ...NO_REQUEST, frame: udpFrame(ends, 100) },
    partial(udpFrame(ends, 1000), ends, 6),
  ]);
  assert.equal(rig.uplink.tagsTaken, 2);
});

test("the NIC's checksum results are used only while receive checksum offload is on", { skip }, () => {
  using rig = inRig();
  const good = Received.ipChecksumGood | Received.udpChecksumGood;
  rig.uplink.setOffloads({ verified: false, merge: true });
  rig.link.arrive(udpFrame(V4, 1000), good);
  rig.link.arrive(udpFrame(V4, 8000), good);
  rig.uplink.pump(64);
  rig.uplink.setOffloads({ verified: true, merge: true });
  rig.link.arrive(udpFrame(V4, 1000), good);
  rig.uplink.pump(64);
  assert.deepEqual(rig.host.received(), [
    { ...NO_REQUEST, frame: udpFrame(V4, 1000) },
    { ...NO_REQUEST, frame: udpFrame(V4, 8000) },
    partial(udpFrame(V4, 1000), V4, 6),
  ]);
});

test("a tag stays in the frame while tag insertion is off", { skip }, () => {
  using rig = outRig();
  rig.out.insertsTag = false;
  const frame = udpFrame({ ...V4, tag: 0x6123 }, 500);
  rig.host.send({ ...NO_REQUEST, frame });
  rig.out.pump(64);
  assert.deepEqual(rig.link.frames[0]!.frame, frame);
  assert.equal(rig.link.frames[0]!.flags, 0);
});

test("a frame in several buffers reaches the host complete, with its tag, verified, and in order", { skip }, () => {
  using host = new FakeTap();
  const captured: Uint8Array[] = [];
  const link = new RecordingLink();
  const uplink = new UplinkIn(host.tap, link, {
    frame: (bytes, offset, length) => captured.push(bytes.slice(offset, offset + length)),
  });
  const good = Received.ipChecksumGood | Received.udpChecksumGood;
  const ends = { ...V4, tag: 0x2005 };
  link.arrive(udpFrame(V4, 1000), good);
  link.arrive(udpFrame(V4, 8000), good);
  link.arrive(udpFrame(V6, 5000), 0);
  link.arrive(udpFrame(V4, 4096 - 42), good | Received.tagged, 0x2005);
  link.arrive(udpFrame(V4, 1000), good);
  uplink.pump(64);
  assert.deepEqual(host.received(), [
    partial(udpFrame(V4, 1000), V4, 6),
    partial(udpFrame(V4, 8000), V4, 6),
    { ...NO_REQUEST, frame: udpFrame(V6, 5000) },
    partial(udpFrame(ends, 4096 - 42), ends, 6),
    partial(udpFrame(V4, 1000), V4, 6),
  ]);
  assert.deepEqual(captured[2], udpFrame(V6, 5000));
});
