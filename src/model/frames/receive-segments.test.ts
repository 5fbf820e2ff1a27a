/**
 * Whether segments are passed to the NIC while they are built, or as whole frames, the result for the guest is the
 * same.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { chipNamed } from "#chip/chips.ts";
import { Own } from "#chip/descriptors.ts";
import { CPlus, CPlusCmd, IntrStatus, RxConf, RxMaxSize } from "#chip/registers.ts";
import type { Port } from "#kit/port.ts";
import { InPlaceSegmenter } from "#wire/segment-in-place.ts";
import { type Memory, newMemory } from "#wire/memory.ts";
import { BASE, Guest, MAC, RX_BUFFERS, RX_RING } from "../guest.test-kit.ts";
import { ipv4Tcp, ipv6Tcp } from "./packets.test-kit.ts";

interface Setting {
  readonly chip: string;
  readonly ipv6: boolean;
  readonly tag: boolean;
  readonly to: Uint8Array;
  readonly payload: number;
  readonly segmentBytes: number;
  readonly buffers: number;
  readonly bufferBytes: number;
  readonly accept: number;
  readonly plus: number;
  readonly longest: number;
  readonly place: number;
}

const OTHER = Uint8Array.of(0x02, 9, 9, 9, 9, 9);
const BUFFERS = 24;
const settings: fc.Arbitrary<Setting> = fc.record({
  chip: fc.constantFrom("rtl8168h", "rtl8168h", "rtl8125b"),
  ipv6: fc.boolean(),
  tag: fc.boolean(),
  to: fc.constantFrom(MAC, MAC, MAC, OTHER),
  payload: fc.integer({ min: 1, max: 20_000 }),
  segmentBytes: fc.constantFrom(1448, 1448, 1400, 999, 64, 5),
  buffers: fc.constantFrom(BUFFERS, BUFFERS, 7, 1, 0),
  bufferBytes: fc.constantFrom(2048, 2048, 512),
  accept: fc.constantFrom(RxConf.acceptPhysical, RxConf.acceptPhysical, RxConf.acceptAll, 0),
  plus: fc.constantFrom(CPlus.receiveChecksum | CPlus.receiveVlan, CPlus.receiveChecksum, CPlus.receiveVlan, 0),
  longest: fc.constantFrom(0x3fff, 0x3fff, 1000),
  place: fc.constantFrom(6, 2, 1, 0),
});

const portOf = (memory: Memory): Port => ({
  memory,
  bytes: memory.bytes,
  reserve: () => -1,
  commit: () => {},
  flush: () => {},
  plug: () => {},
});

/** Returns what the guest finds, and the number of segments that `receiveSegments` took. */
const outcome = (setting: Setting, asSegments: boolean): { seen: object; taken: number } => {
  const { ipv6, tag, payload, buffers, bufferBytes, place } = setting;
  const guest = new Guest({ strict: "off", chip: chipNamed(setting.chip)! });
  const memory = newMemory(1 << 15);
  guest.nic.connect(portOf(memory));
  guest.bringUp(setting.accept);
  guest.w16(CPlusCmd, setting.plus);
  guest.w16(RxMaxSize, setting.longest);
  for (let i = 0; i < BUFFERS; i++)
    guest.setDescriptor(RX_RING, i, (i < buffers ? Own : 0) | bufferBytes, 0, RX_BUFFERS + i * 2048);
  let whole = (ipv6 ? ipv6Tcp : ipv4Tcp)({ payload, flags: 0x98 });
  whole.set(setting.to);
  if (tag) whole = Uint8Array.of(...whole.slice(0, 12), 0x81, 0, 0x50, 0x23, ...whole.slice(12));
  memory.bytes.set(whole, place);
  const network = tag ? 18 : 14;
  const transport = network + (ipv6 ? 40 : 20);
  const segmenter = new InPlaceSegmenter(memory);
  assert.ok(segmenter.prepare(place, whole.length, setting.segmentBytes, network, transport, whole.length - payload));
  let taken = 0;
  for (let frames = 0; segmenter.left > 0 && frames < BUFFERS; frames++) {
    if (asSegments) taken += guest.nic.receiveSegments(segmenter);
    if (segmenter.left === 0) break;
    segmenter.make(segmenter.sum());
    if (!guest.nic.hasRoom()) break;
    guest.nic.receive(memory.bytes, segmenter.offset, segmenter.length);
    segmenter.skip();
  }
  const { words, one } = { words: guest.words, one: guest.memory.one };
  const ring = guest.word(RX_RING);
  const frames: unknown[] = [];
  for (let i = 0; i < BUFFERS; i++) {
    const at = ring + 4 * i;
    // Buffers that the chip owns are not compared: their contents are undefined.
    const given = words[at]! >= 0;
    const bytes = given ? Math.max(0, (words[at]! & 0x3fff) - 4) : 0;
    const start = RX_BUFFERS + i * 2048 - BASE;
    frames.push(
      given ? [words[at], words[at + 1], one.bytes.slice(start, start + Math.min(bytes, bufferBytes))] : "chip",
    );
  }
  const seen = { frames, left: segmenter.left, counters: guest.nic.counters, events: guest.r16(IntrStatus) };
  return { seen, taken };
};

test("segments passed while they are built are received like frames that arrive one by one", () => {
  let taken = 0;
  fc.assert(
    fc.property(settings, (setting) => {
      const segments = outcome(setting, true);
      taken += segments.taken;
      assert.deepEqual(segments.seen, outcome(setting, false).seen);
    }),
    { seed: 20_270_303, numRuns: 300 },
  );
  assert.ok(taken > 300, `only ${taken} segments`);
});

test("`receiveSegments` takes no segments without a link, or while the fault receive-overflow is armed", () => {
  const guest = new Guest();
  const memory = newMemory(4096);
  guest.nic.connect(portOf(memory));
  guest.bringUp();
  guest.post(4);
  const whole = ipv4Tcp({ payload: 3000 });
  memory.bytes.set(whole, 6);
  const segmenter = new InPlaceSegmenter(memory);
  assert.ok(segmenter.prepare(6, whole.length, 1400, 14, 34, 54));
  guest.nic.faults.arm("receive-overflow");
  assert.equal(guest.nic.receiveSegments(segmenter), 0);
  guest.nic.faults.disarm("receive-overflow");
  guest.nic.setCarrier(false);
  assert.equal(guest.nic.receiveSegments(segmenter), 0);
  guest.nic.setCarrier(true);
  guest.clock.delay(10_000);
  assert.equal(guest.nic.receiveSegments(segmenter), 3);
});
