/**
 * How each generation is drained before a reset, and how the driver takes the MAC over afterwards. The registers are
 * plain memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LEGACY_CHIPS, CHIPS, type Chip } from "#chip/chips.ts";
import type { Drain } from "#chip/mac.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { quiesce } from "./bring-up.ts";
import { hardwareOf } from "./hardware.ts";
import { TAKE_OVERS } from "./take-over.ts";

const RX_CONFIG = 0x44;
const TX_CONFIG = 0x40;
const CHIP_CMD = 0x37;
const TX_POLL = 0x38;
const OCP_DATA = 0xb0;
const MCU = 0xd3;
const FIFO_STATUS = 0xe2;

const ALL: readonly Chip[] = [...CHIPS, ...LEGACY_CHIPS];
const chipWith = (drain: Drain): Chip => ALL.find(({ profile }) => profile.mac.drain === drain)!;

/** A card whose registers have the given `values`. A reset completes at once. */
const cardOf = (chip: Chip, values: Readonly<Record<number, number>>) => {
  const clock = new VirtualClock();
  const writes: string[] = [];
  const memory = new Map(Object.entries(values).map(([at, value]) => [Number(at), value]));
  const io = new Mmio({
    length: 256,
    read: (offset) => memory.get(offset) ?? 0,
    write(offset, _width, value) {
      writes.push(`${offset.toString(16)}=${(value >>> 0).toString(16)}`);
      if (offset !== OCP_DATA) memory.set(offset, offset === CHIP_CMD ? value & ~0x10 : value);
    },
  });
  return { hw: hardwareOf({ io, clock, chip }, chip.start), clock, writes };
};

/** Registers of a card with the receiver on, all accept bits set, both FIFOs empty and no frame to send. */
const AT_REST = { [RX_CONFIG]: 0xff, [CHIP_CMD]: 0x0c, [TX_CONFIG]: 1 << 11, [MCU]: 0x30, [FIFO_STATUS]: 0x0103 };
const DEAF = "44=c0";
const STOP = "37=8c";
const GATE = "f0=80000";
const RESET = "37=10";

for (const [drain, writes, micros] of [
  ["none", [DEAF, RESET], 0],
  ["stop", [DEAF, STOP, RESET], 100],
  ["stop-empty", [DEAF, STOP, RESET], 0],
  ["doorbell", [DEAF, RESET], 0],
  ["gate", [DEAF, GATE, RESET], 2000],
  ["gate-mcu", [DEAF, GATE, RESET], 2000],
  ["gate-stop", [DEAF, GATE, STOP, RESET], 2200],
] as const)
  test(`drain "${drain}": reception is stopped first, then the FIFOs drain, then the chip is reset`, () => {
    const card = cardOf(chipWith(drain), AT_REST);
    quiesce(card.hw);
    assert.deepEqual(card.writes, writes);
    assert.equal(card.clock.now(), micros);
    assert.equal(card.hw.expiredWaits.count, 0);
  });

for (const [drain, what, stuck, from, to] of [
  ["stop-empty", "the transmit FIFO", { [TX_CONFIG]: 0 }, 66_600, 66_700],
  ["doorbell", "the transmitter", { [TX_POLL]: 1 << 6 }, 40_000, 40_020],
  ["gate", "the transmit FIFO", { [TX_CONFIG]: 0 }, 6200, 6300],
  ["gate", "the MAC's FIFOs", { [MCU]: 0x10 }, 6200, 6300],
  ["gate", "the MAC's FIFOs", { [MCU]: 0x20 }, 6200, 6300],
  ["gate-mcu", "the MAC's FIFOs", { [MCU]: 0x10 }, 152_000, 152_100],
  ["gate-stop", "the MAC's FIFOs", { [MCU]: 0x20 }, 152_200, 152_300],
  ["gate-stop", "the bus side's FIFOs", { [FIFO_STATUS]: 0x0003 }, 152_200, 152_300],
  ["gate-stop", "the bus side's FIFOs", { [FIFO_STATUS]: 0x0100 }, 152_200, 152_300],
] as const)
  test(`${drain}: if ${what} never drains (${JSON.stringify(stuck)}), an expired wait is counted and the chip is reset`, () => {
    const card = cardOf(chipWith(drain), { ...AT_REST, ...stuck });
    quiesce(card.hw);
    assert.equal(card.writes.at(-1), RESET);
    assert.equal(card.hw.expiredWaits.count, 1);
    assert.ok(card.hw.expiredWaits.last.startsWith(what), card.hw.expiredWaits.last);
    assert.ok(card.clock.now() >= from && card.clock.now() <= to, `${card.clock.now()} µs`);
  });

/** A read of MAC-OCP 0xe8de through the register at 0xb0; it returns 0x7fff. */
const READ = "b0=746f0000";
for (const [takeOver, writes] of [
  ["none", []],
  ["link-list", ["d3=2", READ, "b0=f46f3fff", READ, "b0=f46fffff"]],
  ["link-list-8125", ["d3=2", READ, "b0=f46f3fff"]],
] as const)
  test(`take-over "${takeOver}": the MAC is taken over from the chip's firmware, with a limit of 4.2 ms for each step`, () => {
    const chip = ALL.find(({ profile }) => profile.mac.takeOver === takeOver)!;
    const ready = cardOf(chip, { [MCU]: 0x82, [OCP_DATA]: 0x7fff });
    TAKE_OVERS[takeOver](ready.hw);
    assert.deepEqual(ready.writes, writes);
    assert.deepEqual([ready.clock.now(), ready.hw.expiredWaits.count], [0, 0]);

    const silent = cardOf(chip, { [MCU]: 0x80 });
    TAKE_OVERS[takeOver](silent.hw);
    const waits = takeOver === "none" ? 0 : 2;
    assert.equal(silent.hw.expiredWaits.count, waits);
    assert.equal(Math.floor(silent.clock.now() / 4200), waits);
  });
