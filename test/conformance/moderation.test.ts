/**
 * Tests interrupt moderation on the direct rig: the number of interrupts on the line, and how each chip rounds
 * settings.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { LEGACY_CHIPS, CHIPS, type Chip } from "#chip/chips.ts";
import { CPlus, CPlusCmd, IntrMitigate } from "#chip/registers.ts";
import { INT_MITI_RX, INT_MITI_TX } from "#chip/registers-8125.ts";
import { hardwareOf } from "#driver/hardware.ts";
import { Moderation } from "#driver/moderation.ts";
import { ReceiveCount } from "#driver/receive-core.ts";
import type { RingPair } from "#driver/rings.ts";
import { TransmitCount } from "#driver/transmit-ring.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { partnerOf } from "#model/phy/link-partner.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { DIES } from "../rigs/generations.ts";

const FRAME = udp(ends({ inbound: true }), payload(100));
const NONE = { micros: 0, frames: 0 };
const OFF = { receive: NONE, transmit: NONE };
const moderates = ({ profile }: Chip): boolean => profile.mac.moderation !== "none";
const countsFrames = ({ profile }: Chip): boolean => profile.mac.moderation === "IntrMitigate";

/** Handles a pending interrupt as NAPI does. Returns 1 if there was one, else 0. */
const handle = (rig: DirectRig): number => {
  if (!rig.nic.line.take()) return 0;
  rig.nic.interrupt();
  rig.poll();
  rig.nic.unmask();
  return 1;
};

/** Delivers `count` frames, `gap` µs apart. Returns the number of interrupts. */
const receive = (rig: DirectRig, count: number, gap: number): number => {
  let interrupts = 0;
  for (let i = 0; i < count; i++) {
    assert.ok(rig.deliver(FRAME));
    interrupts += handle(rig);
    rig.pass(gap);
    interrupts += handle(rig);
  }
  rig.pass(2000);
  return interrupts + handle(rig);
};

const send = (rig: DirectRig, count: number, gap: number): number => {
  let interrupts = 0;
  for (let i = 0; i < count; i++) {
    rig.send(udp(ends(), payload(100)));
    interrupts += handle(rig);
    rig.pass(gap);
    interrupts += handle(rig);
  }
  rig.pass(2000);
  return interrupts + handle(rig);
};

const started = (chip: Chip, options: Parameters<typeof openDirectRig>[0] = {}): DirectRig => {
  const rig = openDirectRig({ chip: chip.key, ...options });
  rig.up();
  rig.pass(100_000);
  handle(rig);
  return rig;
};

for (const chip of DIES.filter(moderates)) {
  test(`${chip.key}: a delay coalesces several frames into one interrupt, separately for each direction`, () => {
    using rig = started(chip);
    assert.equal(receive(rig, 32, 10), 32);
    assert.equal(send(rig, 32, 10), 32);
    const { receive: got, transmit } = rig.nic.moderation.set({ receive: { micros: 50, frames: 0 }, transmit: NONE });
    assert.ok(got.micros >= 50 && got.micros < 62, `50 µs became ${got.micros} µs`);
    assert.deepEqual(transmit, NONE);
    const several = receive(rig, 32, 10);
    assert.ok(several >= 4 && several <= 7, `32 frames in 320 µs caused ${several} interrupts`);
    assert.equal(send(rig, 32, 10), 32);
    rig.nic.moderation.set({ receive: NONE, transmit: { micros: 50, frames: 0 } });
    assert.equal(receive(rig, 32, 10), 32);
    const sent = send(rig, 32, 10);
    assert.ok(sent >= 4 && sent <= 7, `32 frames in 320 µs caused ${sent} interrupts`);
  });

  test(`${chip.key}: moderation survives a reset and an MTU change, and can be switched off`, () => {
    using rig = started(chip);
    rig.nic.moderation.set({ receive: { micros: 50, frames: 0 }, transmit: NONE });
    const { actual } = rig.nic.moderation;
    rig.nic.down();
    rig.nic.setMtu(1400);
    rig.up();
    rig.pass(100_000);
    handle(rig);
    assert.deepEqual(rig.nic.moderation.actual, actual);
    assert.ok(receive(rig, 32, 10) <= 7);
    rig.nic.moderation.set(OFF);
    assert.equal(receive(rig, 32, 10), 32);
  });

  test(`${chip.key}: an unsupported setting is rejected, and the old one stays`, () => {
    using rig = started(chip);
    rig.nic.moderation.set({ receive: { micros: 50, frames: 0 }, transmit: NONE });
    const bad = [
      { micros: -1, frames: 0 },
      { micros: 1e6, frames: 0 },
      { micros: Number.NaN, frames: 0 },
      { micros: 50, frames: 1000 },
      { micros: 50, frames: 2.5 },
      { micros: 50, frames: -4 },
      // A limit on the number of frames requires a limit on the time.
      { micros: 0, frames: 8 },
      ...(countsFrames(chip) ? [] : [{ micros: 50, frames: 4 }]),
    ];
    for (const limits of bad)
      for (const wanted of [
        { receive: limits, transmit: NONE },
        { receive: NONE, transmit: limits },
      ])
        assert.throws(() => rig.nic.moderation.set(wanted), { code: "BAD_MODERATION", hint: /^Use 0 to \d/ });
    assert.equal(rig.nic.moderation.wanted.receive.micros, 50);
    assert.ok(receive(rig, 32, 10) <= 7);
  });
}

for (const chip of DIES.filter(countsFrames))
  test(`${chip.key}: a limit on the number of frames ends the delay early`, () => {
    using rig = started(chip);
    const { receive: got } = rig.nic.moderation.set({ receive: { micros: 120, frames: 6 }, transmit: NONE });
    assert.equal(got.frames, 8, "the limit must be rounded to units of four");
    assert.equal(receive(rig, 32, 10), 4);
  });

test("moderation is fixed until adaptive moderation is requested", () => {
  using rig = openDirectRig({ chip: "rtl8168h" });
  rig.up();
  assert.equal(rig.nic.moderation.adaptive, false);
});

test("settings are rounded up to the chip's units, and setting the result again changes nothing", () => {
  const limits = fc.record({ micros: fc.integer({ min: 0, max: 500 }), frames: fc.integer({ min: 0, max: 60 }) });
  for (const key of ["rtl8169s", "rtl8168h", "rtl8125a", "rtl8125b", "rtl8127a"]) {
    const chip = CHIPS.find((row) => row.key === key)!;
    // The longest time at 1 Gbit/s is shorter on PCI chips.
    const max = chip.bus === "pci" ? 150 : 500;
    using rig = started(chip);
    const fits = ({ micros, frames }: { micros: number; frames: number }): { micros: number; frames: number } => ({
      micros: Math.min(micros, max),
      frames: micros === 0 || !countsFrames(chip) ? 0 : frames,
    });
    fc.assert(
      fc.property(limits, limits, (a, b) => {
        const wanted = { receive: fits(a), transmit: fits(b) };
        const actual = rig.nic.moderation.set(wanted);
        for (const direction of ["receive", "transmit"] as const) {
          assert.ok(actual[direction].micros >= wanted[direction].micros);
          assert.ok(actual[direction].frames >= wanted[direction].frames);
          assert.ok(actual[direction].frames < wanted[direction].frames + 4);
        }
        assert.deepEqual(rig.nic.moderation.set(actual), actual);
      }),
      { numRuns: 100, seed: 8169 },
    );
  }
});

test("the registers hold a setting in the units of each chip and speed", () => {
  using gigabit = started(CHIPS.find(({ key }) => key === "rtl8168h")!);
  // 20 units of 5 µs, for the 100 µs, do not fit four bits. Therefore both directions use units of 40 µs: 2 and 3 of
  // them.
  gigabit.nic.moderation.set({ receive: { micros: 60, frames: 8 }, transmit: { micros: 100, frames: 0 } });
  assert.equal(gigabit.registers.read16(IntrMitigate), 0x3022);
  assert.equal(gigabit.registers.read16(CPlusCmd) & (CPlus.coalescingUnit | CPlus.packetCounterOff), 1);
  gigabit.nic.moderation.set({ receive: { micros: 60, frames: 0 }, transmit: NONE });
  assert.equal(gigabit.registers.read16(IntrMitigate), 0x00c0);
  assert.equal(gigabit.registers.read16(CPlusCmd) & (CPlus.coalescingUnit | CPlus.packetCounterOff), 0x80);

  using slow = started(CHIPS.find(({ key }) => key === "rtl8105e-409")!);
  assert.equal(slow.nic.link.speed, 100);
  // 24 units of 2.56 µs do not fit four bits; 3 units of 20.48 µs do.
  slow.nic.moderation.set({ receive: { micros: 60, frames: 0 }, transmit: NONE });
  assert.equal(slow.registers.read16(IntrMitigate), 0x0030);
  assert.deepEqual(slow.nic.moderation.actual.receive, { micros: 61.44, frames: 0 });

  using blocks = started(CHIPS.find(({ key }) => key === "rtl8125b")!);
  blocks.nic.moderation.set({ receive: { micros: 50, frames: 0 }, transmit: { micros: 100, frames: 0 } });
  assert.deepEqual([blocks.registers.read8(INT_MITI_RX[0]!), blocks.registers.read8(INT_MITI_TX[0]!)], [25, 49]);
});

test("a delay that is too long at a new speed is reduced to the longest possible, and restored once possible", () => {
  using rig = openDirectRig({ chip: "rtl8168h" });
  rig.up();
  rig.nic.moderation.set({ receive: { micros: 2000, frames: 0 }, transmit: NONE });
  assert.equal(rig.nic.moderation.actual.receive.micros, 2080);
  const relink = (speeds: readonly (10 | 100 | 1000)[]): void => {
    rig.setCarrier(false);
    rig.nic.refreshLink();
    rig.model.setCarrier(true, partnerOf({ speeds }));
    rig.pass(5_000_000);
    rig.nic.refreshLink();
  };
  relink([100]);
  assert.equal(rig.nic.link.speed, 100);
  assert.equal(rig.nic.moderation.actual.receive.micros, 1228.8);
  relink([1000]);
  assert.equal(rig.nic.moderation.actual.receive.micros, 2080);
});

const fails = (): never => assert.fail("a register was accessed");
test("the RTL8139C+ cannot delay interrupts, and the error comes before any write", () => {
  const card = {
    io: new Mmio({ length: 256, read: fails, write: fails }),
    clock: new VirtualClock(),
    chip: LEGACY_CHIPS[0]!,
  };
  const moderation = new Moderation(hardwareOf(card, card.chip.start), () => undefined);
  assert.throws(() => moderation.set({ receive: { micros: 5, frames: 0 }, transmit: NONE }), {
    code: "BAD_MODERATION",
    hint: "It does not delay interrupts: use 0.",
  });
  assert.throws(() => moderation.setAdaptive(true), { code: "BAD_MODERATION" });
  assert.deepEqual(moderation.set(OFF), OFF);
});

for (const key of ["rtl8168h", "rtl8125b"])
  test(`${key}: adaptive moderation follows the frame rate, and does not delay few frames`, () => {
    using rig = started(CHIPS.find((chip) => chip.key === key)!);
    rig.nic.moderation.setAdaptive(true);
    assert.equal(receive(rig, 100, 1000), 100, "1,000 frames a second");
    receive(rig, 2000, 10);
    assert.ok(rig.nic.moderation.actual.receive.micros >= 60, "100,000 frames a second");
    assert.ok(receive(rig, 100, 10) <= 20);
    receive(rig, 50, 1000);
    assert.deepEqual(rig.nic.moderation.actual, OFF);
    rig.nic.moderation.set({ receive: { micros: 50, frames: 0 }, transmit: NONE });
    assert.equal(rig.nic.moderation.adaptive, false, "a fixed setting ends adaptive moderation");
  });

test("adaptive moderation changes its level at 20,000 and 80,000 frames per second, and goes back at 70 % of that", () => {
  const io = new Mmio({ length: 65_536, read: () => 0, write: () => {} });
  const clock = new VirtualClock();
  const chip = CHIPS.find(({ key }) => key === "rtl8125b")!;
  const received = new Float64Array(8);
  const sent = new Float64Array(8);
  const pair = { receive: { counters: () => received }, transmit: { counters: () => sent } } as unknown as RingPair;
  const moderation = new Moderation(hardwareOf({ io, clock, chip }, chip.start), () => [pair]);
  moderation.setAdaptive(true);
  // Number of frames in 50 ms, a quarter of them sent, and the resulting delay in µs.
  for (const [frames, micros] of [
    [999, 0],
    [1000, 20],
    [3999, 20],
    [4000, 61],
    [2800, 61],
    [2799, 20],
    [700, 20],
    [699, 0],
    [4000, 61],
    [0, 0],
  ] as const) {
    received[ReceiveCount.frames]! += frames - (frames >> 2);
    sent[TransmitCount.frames]! += frames >> 2;
    clock.delay(50_000);
    moderation.sample();
    const { receive: r, transmit: t } = moderation.actual;
    assert.deepEqual([Math.floor(r.micros), Math.floor(t.micros)], [micros, micros], `${frames} frames in 50 ms`);
  }
  received[ReceiveCount.frames]! += 4000;
  clock.delay(9999);
  moderation.sample();
  assert.equal(moderation.actual.receive.micros, 0, "samples of less than 10 ms are not evaluated");
  clock.delay(1);
  moderation.sample();
  assert.equal(Math.floor(moderation.actual.receive.micros), 61);
});

test("the maximum time and number of frames are accepted, and nothing above; one frame without a time means no limit", () => {
  using rig = started(CHIPS.find(({ key }) => key === "rtl8168h")!);
  const set = (micros: number, frames: number): unknown =>
    rig.nic.moderation.set({ receive: { micros, frames }, transmit: NONE }).receive;
  // The maximum: 15 units of 160 µs, and 15 units of four frames.
  assert.deepEqual(set(2400, 60), { micros: 2400, frames: 60 });
  assert.deepEqual(set(0, 1), NONE);
  for (const [micros, frames] of [
    [2400.5, 0],
    [5, 61],
    [0, 2],
  ] as const)
    assert.throws(() => set(micros, frames), { code: "BAD_MODERATION" });
});
