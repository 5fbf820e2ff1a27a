/**
 * One frame on each path through the receive engine: aligned or not, in one buffer or in many. All paths must have the
 * same result.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EndOfRing, FirstSegment, LastSegment, Own, Rx } from "#chip/descriptors.ts";
import { CPlus, CPlusCmd, IntrStatus, MAR0, MAR4, RxConf, RxMaxSize } from "#chip/registers.ts";
import { newMemory } from "#wire/memory.ts";
import { Verified, verify } from "#wire/verify.ts";
import { BASE, BROADCAST, frame, Guest, MAC, RX_BUFFERS, RX_RING } from "../guest.test-kit.ts";
import { ipv4Tcp, ipv4Udp, ipv6Tcp, sealed } from "./packets.test-kit.ts";

interface Setting {
  readonly accept: number;
  readonly plus: number;
  readonly longest: number;
  readonly hash: readonly [number, number];
  readonly weaklyOrdered: boolean;
}

const GROUP = Uint8Array.of(0x01, 0x00, 0x5e, 0x00, 0x00, 0x01);
const OTHER = Uint8Array.of(0x02, 9, 9, 9, 9, 9);

const word = fc.integer({ min: 0, max: 0xffff_ffff });
const settings: fc.Arbitrary<Setting> = fc.record({
  accept: fc.oneof(fc.constant(RxConf.acceptMask), fc.nat(0x3f)),
  plus: fc.constantFrom(CPlus.receiveChecksum | CPlus.receiveVlan, CPlus.receiveChecksum, CPlus.receiveVlan, 0),
  longest: fc.constantFrom(0x3fff, 0x3fff, 1518, 100, 0),
  hash: fc.tuple(fc.constantFrom(0, 0xffff_ffff, 0x8000_0001), word),
  weaklyOrdered: fc.boolean(),
});

const frames: fc.Arbitrary<Uint8Array> = fc
  .record({
    kind: fc.constantFrom("tcp4", "tcp4", "tcp6", "udp4", "none"),
    payload: fc.oneof(fc.nat(64), fc.nat(1600)),
    good: fc.boolean(),
    to: fc.constantFrom(MAC, MAC, MAC, OTHER, BROADCAST, GROUP),
    tag: fc.constantFrom(-1, -1, 0x5023),
    flip: fc.option(fc.nat(120), { nil: -1 }),
  })
  .map(({ kind, payload, good, to, tag, flip }) => {
    const make = { tcp4: ipv4Tcp, tcp6: ipv6Tcp, udp4: ipv4Udp, none: () => frame(MAC, 14 + payload) }[kind];
    let bytes = make({ payload });
    if (good && kind !== "none") bytes = sealed(bytes);
    bytes.set(to);
    if (tag >= 0) bytes = Uint8Array.of(...bytes.slice(0, 12), 0x81, 0, tag >> 8, tag, ...bytes.slice(12));
    if (flip >= 0) bytes[flip % bytes.length]! ^= 0x11;
    return bytes;
  });

/** Runs a case; the outcome is the reassembled frame, the descriptors, counters and events. */
const outcome = (setting: Setting, frame: Uint8Array, place: number, bufferBytes: number): object => {
  const guest = new Guest({ strict: "off", weaklyOrdered: setting.weaklyOrdered });
  guest.bringUp(setting.accept);
  guest.w16(CPlusCmd, setting.plus);
  guest.w16(RxMaxSize, setting.longest);
  guest.w32(MAR0, setting.hash[0]);
  guest.w32(MAR4, setting.hash[1]);
  guest.memory.one.bytes.fill(0xa5, RX_BUFFERS - BASE, RX_BUFFERS - BASE + 4096);
  const pieces = 2048 / bufferBytes;
  for (let i = 0; i < pieces; i++) {
    const end = i === pieces - 1 ? EndOfRing : 0;
    guest.setDescriptor(RX_RING, i, Own | bufferBytes | end, 0, RX_BUFFERS + i * bufferBytes);
  }
  const memory = newMemory(place + frame.length);
  memory.bytes.set(frame, place);
  const room = guest.nic.hasRoom();
  const taken = guest.nic.receive(memory.bytes, place, frame.length);
  let last = 0;
  while (last < pieces - 1 && (guest.descriptor(RX_RING, last).opts1 & LastSegment) === 0) last++;
  const { opts1, opts2 } = guest.descriptor(RX_RING, last);
  // The last descriptor has the length of the part in its own buffer.
  const length = taken ? last * bufferBytes + (opts1 & Rx.length) : 0;
  const bytes = guest.memory.one.bytes.slice(RX_BUFFERS - BASE, RX_BUFFERS - BASE + 4096);
  const first = guest.descriptor(RX_RING, 0).opts1 & FirstSegment;
  const status = taken ? opts1 & ~(EndOfRing | FirstSegment | Rx.length) : 0;
  return {
    taken,
    room,
    length,
    bytes,
    first,
    status,
    opts2,
    counters: guest.nic.counters,
    events: guest.r16(IntrStatus),
  };
};

/** The checksum bits of opts1, computed with `verify` alone. */
const verdict = (frame: Uint8Array): number => {
  const memory = newMemory(frame.length);
  memory.bytes.set(frame);
  const found = verify(memory, 0, frame.length);
  if ((found & Verified.ip) === 0) return 0;
  const ip = (found & Verified.ipGood) === 0 ? Rx.ipChecksumFailed : 0;
  const good = (found & Verified.transportGood) !== 0;
  if ((found & Verified.tcp) !== 0) return ip | Rx.protocolTcp | (good ? 0 : Rx.tcpChecksumFailed);
  if ((found & Verified.udp) !== 0) return ip | Rx.protocolUdp | (good ? 0 : Rx.udpChecksumFailed);
  return ip | Rx.protocol;
};
const VERDICT = Rx.protocol | Rx.ipChecksumFailed | Rx.udpChecksumFailed | Rx.tcpChecksumFailed;

test("descriptors, bytes, counters and events do not depend on a frame's position or the number of buffers", () => {
  let taken = 0;
  fc.assert(
    fc.property(settings, frames, (setting, frame) => {
      const common = outcome(setting, frame, 6, 2048) as { taken: boolean; status: number };
      assert.deepEqual(outcome(setting, frame, 5, 2048), common);
      assert.deepEqual(outcome(setting, frame, 2, 64), common);
      assert.deepEqual(outcome(setting, frame, 0, 512), common);
      if (!common.taken || (common.status & Rx.errorSummary) !== 0) return;
      taken++;
      assert.equal(common.status & VERDICT, (setting.plus & CPlus.receiveChecksum) === 0 ? 0 : verdict(frame));
    }),
    { seed: 20_270_302, numRuns: 400 },
  );
  assert.ok(taken > 100, `only ${taken} frames were accepted`);
});
