/** What the NIC and its driver must do together, on the direct rig: our driver, our model, one thread. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ANCESTORS, CHIPS } from "#chip/chips.ts";
import { familyOf } from "#driver/families.ts";
import { Overdue } from "#driver/family.ts";
import { SideBus } from "#driver/side-bus.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import type { RigOptions } from "../rigs/rig.ts";
import { conformance } from "./conformance.ts";

/** What a chip cannot, by the row of the chip table that says so. */
const cannot = (chip: (typeof CHIPS)[number]): Readonly<Record<string, string>> =>
  chip.largestMtu >= 9000
    ? {}
    : { "frames up to 9 KiB pass both ways once the MTU allows them": `${chip.name} has no jumbo frames` };

for (const chip of CHIPS.filter((row) => familyOf(row) !== undefined))
  describe(chip.key, () => {
    const { key, xid, speed } = chip;
    const open = (options: RigOptions = {}): DirectRig => openDirectRig({ ...options, chip: key });
    conformance({ open, chip: key, xid, speed, pause: key !== "rtl8116af", cannot: cannot(chip), absent: false });

    test("does nothing a real chip would punish, up, in traffic and down", () => {
      using rig = open();
      rig.up();
      rig.send(udp(ends(), payload(100)));
      rig.deliver(udp(ends({ inbound: true }), payload(100)));
      rig.poll();
      rig.nic.down();
      assert.deepEqual(
        Object.entries(rig.model.offences).filter(([, n]) => n > 0),
        [],
      );
      assert.deepEqual(rig.nic.overdue, new Overdue());
    });
  });

test("every chip that `model chips` says can be driven passes the suite on this rig, or is QEMU's", () => {
  const driven = [...CHIPS, ...ANCESTORS].filter((row) => familyOf(row) !== undefined).map(({ key }) => key);
  const rtl8168h = ["rtl8107e", "rtl8116af", "rtl8168h-100", "rtl8168h-300", "rtl8168h", "rtl8168m"];
  assert.deepEqual(driven, [...rtl8168h, "rtl8139cp"]);
});

/** Bit 7 of PHY page 0xa44 register 17, and bit 1 of extended register 0x1d0. */
for (const [chip, updated] of [
  ["rtl8168h", true],
  ["rtl8107e", true],
  ["rtl8168m", false],
] as const)
  test(`${chip}: EthPhyPPSW and extended register 0x1d0 are ${updated ? "changed" : "left alone"} at start`, () => {
    using rig = openDirectRig({ chip });
    const bus = new SideBus(rig.registers, rig.clock);
    bus.phyWrite((0xa44 << 4) + 2, 1 << 7);
    rig.up();
    assert.equal(bus.phyRead((0xa44 << 4) + 2), updated ? 1 << 11 : (1 << 11) | (1 << 7));
    assert.equal(bus.eriRead(0x1d0), updated ? 1 << 1 : 0);
  });

test("says of each frame from the cable whether it took it", () => {
  using rig = openDirectRig({ slots: 8 });
  rig.up();
  const frame = udp(ends({ inbound: true }), payload(100));
  assert.equal(Array.from({ length: 12 }, () => rig.deliver(frame)).filter(Boolean).length, 8);
});
