/** The dump of the chip's counters, on a simulated device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { VirtualClock } from "#kit/clock.ts";
import { DmaArena } from "#kit/dma.ts";
import { Mmio } from "#kit/mmio.ts";
import { hardwareOf } from "./hardware.ts";
import { allocateTally, dumpTally } from "./tally.ts";

const HIGH = 0x14;
const LOW = 0x10;
const DUMP = 8;

const rig = (answers: boolean) => {
  const dma = new DmaArena(new ArrayBuffer(4096), 0x2_8000_0000);
  const memory = allocateTally(dma);
  const clock = new VirtualClock();
  const accesses: string[] = [];
  let command = 0;
  const io = new Mmio({
    length: 256,
    read(offset) {
      accesses.push(`r${offset.toString(16)}`);
      return offset === LOW ? command : 0;
    },
    write(offset, _width, value) {
      accesses.push(`w${offset.toString(16)}=${(value >>> 0).toString(16)}`);
      if (offset !== LOW) return;
      command = answers ? value & ~DUMP : value;
      if ((value & DUMP) !== 0) for (let i = 0; i < 64; i++) memory.bytes[i] = i + 1;
    },
  });
  const chip = chipNamed("rtl8168h")!;
  const hw = hardwareOf({ io, clock, chip }, chip.start);
  return { accesses, clock, dump: () => dumpTally(hw, memory) };
};

test("the high half of the address is written before the low half, which starts the dump", () => {
  const { accesses, dump } = rig(true);
  dump();
  assert.deepEqual(accesses, [
    `w${HIGH.toString(16)}=2`,
    `r${HIGH.toString(16)}`,
    "w10=80000000",
    "w10=80000008",
    "r10",
  ]);
});

/** The number that `bytes` bytes at `at` represent in a memory where each byte contains its offset plus one. */
const value = (at: number, bytes: number): number =>
  Array.from({ length: bytes }, (_, i) => (at + i + 1) * 256 ** i).reduce((sum, part) => sum + part, 0);

test("counters of two, four and eight bytes are read at their offsets, low byte first", () => {
  const counters = Object.values(rig(true).dump());
  // FreeBSD, struct rl_stats: three counters of 64 bits, one of 32, two of 16, two of 32, three of 64, one of 32, two
  // of 16.
  const sizes = [8, 8, 8, 4, 2, 2, 4, 4, 8, 8, 4, 2, 2];
  let at = 0;
  const expected = sizes.map((bytes) => value((at += bytes) - bytes, bytes));
  assert.equal(at, 64);
  assert.deepEqual(counters, expected);
});

test("a dump that never ends is abandoned after ten milliseconds", () => {
  const { clock, dump } = rig(false);
  assert.throws(dump, { code: "TIMEOUT", waitedMicros: 10_000 });
  assert.ok(clock.now() >= 10_000 && clock.now() <= 10_010);
});
