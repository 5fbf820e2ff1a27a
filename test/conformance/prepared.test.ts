/** Start-up values of chips that the driver's procedures do not reach yet: the model takes all of them without complaint. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS } from "#chip/chips.ts";
import { PREPARED } from "#chip/starts.ts";
import { Cfg9346, Lock } from "#chip/registers.ts";
import { type Hardware, Overdue } from "#driver/family.ts";
import { RTL8168H } from "#driver/rtl8168h.ts";
import { run } from "#driver/steps.ts";
import { Mmio } from "#kit/mmio.ts";
import { Guest } from "#model/guest.test-kit.ts";

const READS = { 1: "r8", 2: "r16", 4: "r32" } as const;
const WRITES = { 1: "w8", 2: "w16", 4: "w32" } as const;

for (const chip of CHIPS) {
  const start = PREPARED[chip.key];
  // The others have PHYs that are reached another way.
  if (start === undefined || chip.profile.phyAccess !== "ocp") continue;
  test(`the start-up values of ${chip.key} run on the model, twice`, () => {
    const guest = new Guest({ chip });
    const length = chip.profile.function.windowBytes;
    const io = new Mmio({
      length,
      read: (offset, width) => guest[READS[width]](offset),
      write: (offset, width, value) => guest[WRITES[width]](offset, value),
    });
    const card = { io, clock: guest.clock, chip };
    const phy = RTL8168H.phy(card);
    const hw: Hardware = { ...card, phy, family: RTL8168H, start, overdue: new Overdue() };
    for (let i = 0; i < 2; i++) {
      io.write8(Cfg9346, Lock.unlock);
      run(hw, start.mac);
      io.write8(Cfg9346, Lock.lock);
      run(hw, start.phy);
    }
    assert.deepEqual([hw.overdue.last, guest.offences], ["", []]);
  });
}
