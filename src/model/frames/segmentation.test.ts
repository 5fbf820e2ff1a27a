/** Segmentation of super-frames: the frames sent, their position in the port, and errors of drivers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Own, TxInsertTag, TxV2 } from "#chip/descriptors.ts";
import { get16, get32 } from "#wire/bigendian.ts";
import { memoryOf, newMemory } from "#wire/memory.ts";
import { segment } from "#wire/segment.test-kit.ts";
import { Verified, verify } from "#wire/verify.ts";
import type { Port } from "#kit/port.ts";
import { memoryWithSums, type SharedMemory } from "#wire/sum-kernel.ts";
import { BASE, BROADCAST, frame, Guest, MEMORY_BYTES, OneRegion, TX_RING } from "../guest.test-kit.ts";
import { ipv4Tcp, ipv6Tcp } from "./packets.test-kit.ts";

const up = (): Guest => {
  const guest = new Guest();
  guest.bringUp();
  return guest;
};
const verdict = (bytes: Uint8Array): number => verify(memoryOf(bytes.slice()), 0, bytes.length);
const TCP_GOOD = Verified.ip | Verified.tcp | Verified.ipGood | Verified.transportGood;

for (const [name, build, kind, transport] of [
  ["IPv4", ipv4Tcp, TxV2.segment4, 34],
  ["IPv6", ipv6Tcp, TxV2.segment6, 54],
] as const) {
  test(`the chip segments an ${name} super-frame, with all fields correct`, () => {
    const guest = up();
    const payload = 10_000;
    const whole = build({ payload, flags: 0x99 });
    const opts1 = (kind | (transport << TxV2.segmentOffsetShift)) >>> 0;
    // Fragments of odd lengths, the first boundary just after the headers.
    const cuts = [0, transport + 20, transport + 333, 5001, whole.length];
    guest.send(
      ...cuts
        .slice(1)
        .map((end, i) => ({ bytes: whole.slice(cuts[i], end), opts1, opts2: 1448 << TxV2.segmentSizeShift })),
    );
    const { frames } = guest.cable;
    assert.equal(frames.length, 7);
    const header = transport + 20;
    assert.deepEqual(Buffer.concat(frames.map((f) => f.slice(header))), Buffer.from(whole.slice(header)));
    for (const [i, segment] of frames.entries()) {
      assert.equal(verdict(segment), TCP_GOOD | (name === "IPv6" ? Verified.ipv6 : 0), `segment ${i}`);
      assert.equal(get32(segment, transport + 4), (get32(whole, transport + 4) + i * 1448) % 2 ** 32);
      // FIN and PSH only in the last segment, CWR only in the first, ACK in all.
      assert.equal(segment[transport + 13], 0x10 | (i === 0 ? 0x80 : 0) | (i === 6 ? 0x09 : 0));
      if (name === "IPv4") assert.equal(get16(segment, 18), (get16(whole, 18) + i) & 0xffff);
      else assert.equal(get16(segment, 18), segment.length - 54);
    }
    assert.equal(guest.nic.counters.txFrames, 7);
  });
}

test("the chip segments super-frames of any size with the same result as a second, simpler implementation", () => {
  for (const payload of [1, 1447, 1448, 1449, 2896, 30_001]) {
    const guest = up();
    const whole = ipv4Tcp({ payload, flags: 0x19 });
    const port = {
      ...newMemory(65_536),
      frames: [] as Uint8Array[],
      reserve: () => 3,
      commit: (_length: number) => {},
    };
    port.commit = (length) =>
      port.frames.push(Uint8Array.of(...port.bytes.slice(3, 3 + length), ...new Uint8Array(Math.max(0, 60 - length))));
    segment(memoryOf(whole), 0, whole.length, 14, 34, 1448, port);
    guest.send({ bytes: whole, opts1: TxV2.segment4 | (34 << 18), opts2: 1448 << 18 });
    assert.deepEqual(guest.cable.frames, port.frames);
  }
});

test("the chip tells the port which frames directly continue the previous segment", () => {
  const guest = up();
  const marks: (boolean | undefined)[] = [];
  const commit = guest.cable.commit.bind(guest.cable);
  guest.cable.commit = (length: number, continues?: boolean) => {
    marks.push(continues);
    commit(length);
  };
  const mss1000 = { opts1: TxV2.segment4 | (34 << 18), opts2: 1000 << 18 };
  guest.send({ bytes: ipv4Tcp({ payload: 3000 }), ...mss1000 });
  guest.send({ bytes: frame(BROADCAST, 60) });
  guest.cable.room = 6;
  guest.send({ bytes: ipv4Tcp({ payload: 4000 }), ...mss1000 });
  guest.cable.room = Infinity;
  guest.clock.delay(1000);
  // The third segment of the last super-frame waited for room. Other frames may have been sent before it, so it is not
  // marked.
  assert.deepEqual(marks, [false, true, true, false, false, true, false, true]);
});

test("segments are the same at each alignment in the port", () => {
  const whole = ipv4Tcp({ payload: 3001, flags: 0x99 });
  const sent = [0, 1, 2, 3].map((place) => {
    const guest = up();
    const { bytes, frames } = guest.cable;
    bytes.fill(0xa5);
    guest.cable.reserve = () => 100 + place;
    guest.cable.commit = (length: number) => {
      frames.push(bytes.slice(100 + place, 100 + place + length));
      bytes.fill(0xa5, 100 + place, 100 + place + length);
      assert.ok(
        bytes.every((byte) => byte === 0xa5),
        "something was written outside the frame",
      );
    };
    guest.send({ bytes: whole, opts1: TxV2.segment4 | (34 << 18), opts2: (1000 << 18) | TxInsertTag | 0x0900 });
    return frames;
  });
  assert.deepEqual(sent[0]!.map(verdict), [TCP_GOOD, TCP_GOOD, TCP_GOOD, TCP_GOOD]);
  for (const frames of sent) assert.deepEqual(frames, sent[0]);
});

declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number; shared: true }) => SharedMemory;
};

/** Memory for the checksum kernel: 17 pages of 64 KiB, that is, 1 MiB and one page. */
const newShared = (): SharedMemory => new WebAssembly.Memory({ initial: 17, maximum: 17, shared: true });

/** A port in the guest's own memory that can read payload in place. */
const gathering = (guest: Guest, apart: Uint8Array[]): Port & { readonly splits: number } => {
  const memory = guest.memory.one;
  const HEADERS = MEMORY_BYTES - 4096;
  let at = HEADERS;
  let held: (() => Uint8Array)[] = [];
  let splits = 0;
  return {
    get splits() {
      return splits;
    },
    bytes: memory.bytes,
    memory,
    gathers: true,
    reserve: (length) => (at + length > MEMORY_BYTES ? -1 : at),
    commit: (length) => {
      const start = at;
      held.push(() => memory.bytes.slice(start, start + length));
      at += length;
    },
    commitSplit: (headerBytes, payloadAt, payloadBytes) => {
      const start = at;
      splits++;
      held.push(() =>
        Uint8Array.of(
          ...memory.bytes.slice(start, start + headerBytes),
          ...memory.bytes.slice(payloadAt, payloadAt + payloadBytes),
        ),
      );
      at += headerBytes;
    },
    flush: () => {
      // The guest may overwrite the payload once the chip has returned its descriptors, so the chip must flush before.
      assert.ok(held.length === 0 || guest.descriptor(TX_RING, 0).opts1 >>> 31 === 1);
      apart.push(...held.map((frame) => frame()));
      held = [];
      at = HEADERS;
    },
    plug: () => {},
  };
};

test("with a port that can gather, the payload is taken from guest memory, and the frames sent are the same", () => {
  for (const payload of [1448, 1449, 8000, 30_001]) {
    const whole = ipv4Tcp({ payload, flags: 0x19 });
    const opts1 = (TxV2.segment4 | (34 << TxV2.segmentOffsetShift)) >>> 0;
    const send = (guest: Guest): void => {
      guest.send({ bytes: whole, opts1, opts2: (1448 << TxV2.segmentSizeShift) | TxInsertTag | 0x2301 });
    };
    const copied = up();
    send(copied);
    const guest = new Guest({}, new OneRegion(BASE, MEMORY_BYTES, memoryWithSums(newShared())));
    guest.bringUp();
    const apart: Uint8Array[] = [];
    const port = gathering(guest, apart);
    guest.nic.connect(port);
    send(guest);
    assert.deepEqual(apart, copied.cable.frames);
    // All segments are split, except a last segment that is so short that it is padded.
    assert.equal(port.splits, Math.floor(payload / 1448) + (payload % 1448 > 5 ? 1 : 0));
  }
});

test("the chip segments a super-frame of 64 KiB and tags every segment", () => {
  const guest = up();
  const whole = ipv4Tcp({ payload: 65_000 });
  const opts = { opts1: TxV2.segment4 | (34 << 18), opts2: (1000 << 18) | TxInsertTag | 0x0900 };
  guest.send({ bytes: whole.slice(0, 40_000), ...opts }, { bytes: whole.slice(40_000), ...opts });
  assert.equal(guest.cable.frames.length, 65);
  for (const segment of guest.cable.frames) {
    assert.equal(get32(segment, 12), 0x8100_0009);
    assert.equal(verdict(segment), TCP_GOOD);
  }
});

test("the chip drops a super-frame without a segment size or without TCP headers, and continues", () => {
  const guest = up();
  guest.put({ bytes: ipv4Tcp({ payload: 3000 }), opts1: TxV2.segment4 | (34 << 18) });
  guest.put({ bytes: frame(BROADCAST, 3000), opts1: TxV2.segment4 | (34 << 18), opts2: 1000 << 18 });
  guest.put({ bytes: ipv4Tcp({ payload: 3000 }), opts1: TxV2.segment6 | (34 << 18), opts2: 1000 << 18 });
  guest.send({ bytes: frame(BROADCAST, 60) });
  assert.equal(guest.cable.frames.length, 1);
  assert.equal(guest.nic.counters.txErrors, 3);
});

test("the chip sends at most 4096 segments in one turn; the rest follows after other work", () => {
  const guest = up();
  guest.send({ bytes: ipv4Tcp({ payload: 30_000 }), opts1: TxV2.segment4 | (34 << 18), opts2: 1 << 18 });
  assert.equal(guest.cable.frames.length, 4096);
  assert.ok(guest.descriptor(TX_RING, 0).opts1 & Own);
  guest.clock.delay(100);
  assert.equal(guest.cable.frames.length, 30_000);
  assert.equal(guest.descriptor(TX_RING, 0).opts1 & Own, 0);
  assert.ok(guest.cable.frames.every((f) => f.length === 60));
});

test("the chip waits while the port rejects frames, and sends each segment once", () => {
  const guest = up();
  guest.cable.room = 3;
  guest.send({ bytes: ipv4Tcp({ payload: 5000 }), opts1: TxV2.segment4 | (34 << 18), opts2: 1000 << 18 });
  assert.equal(guest.cable.frames.length, 3);
  guest.cable.room = Infinity;
  guest.clock.delay(1000);
  assert.deepEqual(
    guest.cable.frames.map((f) => get32(f, 38) - get32(guest.cable.frames[0]!, 38)),
    [0, 1000, 2000, 3000, 4000],
  );
});
