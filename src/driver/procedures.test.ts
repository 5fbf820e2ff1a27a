/** Procedures of start-up sequences, against simulated registers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LEGACY_CHIPS } from "#chip/chips.ts";
import { BMCR, Bmcr } from "#chip/phy.ts";
import { PciTiming } from "#chip/registers-8169.ts";
import { Config2 } from "#chip/registers.ts";
import type { Procedure } from "#chip/steps.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { hardwareOf } from "./hardware.ts";
import type { PhyBus } from "./phy-bus.ts";
import { run } from "./steps.ts";

const card = (phy: Partial<PhyBus> = {}) => {
  const memory = new Map<number, number>();
  const io = new Mmio({
    length: 256,
    read: (offset) => memory.get(offset) ?? 0,
    write: (offset, _width, value) => memory.set(offset, value),
  });
  const clock = new VirtualClock();
  const hw = {
    ...hardwareOf({ io, clock, chip: LEGACY_CHIPS[0]! }, { mac: [], phy: [] }),
    phy: { read: () => 0, write: () => {}, ...phy },
  };
  return { io, clock, call: (name: Procedure) => run(hw, [{ call: name }]) };
};

test("the bus timing of an RTL8169SC depends on the chip and on the bus clock", () => {
  for (const [name, config2, expected] of [
    ["pciTiming180", 0xfe, 0x000f_ff00],
    ["pciTiming180", 0x01, 0x000f_ffff],
    ["pciTiming980", 0xfe, 0x00ff_ff00],
    ["pciTiming980", 0x01, 0x00ff_ffff],
  ] as const) {
    const { io, call } = card();
    io.write8(Config2, config2);
    call(name);
    assert.equal(io.read32(PciTiming), expected);
  }
});

test("the driver waits at most half a second for a reset of the PHY", () => {
  const writes: number[][] = [];
  let polls = 3;
  const write = (...word: number[]): void => void writes.push(word);
  card({ write, read: (register) => (register === BMCR && polls-- > 0 ? Bmcr.reset : 0) }).call("resetPhy");
  assert.deepEqual(writes, [[BMCR, 0x9200]]);
  assert.equal(polls, -1);

  const { clock, call } = card({ read: () => Bmcr.reset });
  assert.throws(() => call("resetPhy"), { code: "TIMEOUT" });
  assert.equal(clock.now(), 500_000);
});
