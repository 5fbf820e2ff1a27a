/** What the NIC and its driver must do together, on the direct rig: our driver, our model, one thread. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ANCESTORS, CHIPS, type Chip } from "#chip/chips.ts";
import { familyOf } from "#driver/families.ts";
import { Overdue } from "#driver/family.ts";
import { SideBus } from "#driver/side-bus.ts";
import { Received, Send } from "#kit/link.ts";
import { ends, layout, leaveChecksum, payload, udp } from "../rigs/frames.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import type { RigOptions } from "../rigs/rig.ts";
import { conformance } from "./conformance.ts";

/** What a chip cannot, by the row of the chip table that says so. */
const cannot = (chip: Chip): Readonly<Record<string, string>> =>
  chip.largestMtu >= 9000
    ? {}
    : { "frames up to 9 KiB pass both ways once the MTU allows them": `${chip.name} has no jumbo frames` };

/** One chip of each die passes the whole suite; the others, which differ in values alone, a short one. */
const WHOLE: readonly string[] = ["rtl8168g", "rtl8168h", "rtl8116af", "rtl8168ep"];
const DRIVEN: readonly Chip[] = CHIPS.filter((row) => familyOf(row) !== undefined);

const openFor =
  ({ key }: Chip) =>
  (options: RigOptions = {}): DirectRig =>
    openDirectRig({ ...options, chip: key });

for (const chip of DRIVEN.filter(({ key }) => WHOLE.includes(key)))
  describe(chip.key, () => {
    const { key, xid, speed } = chip;
    const open = openFor(chip);
    conformance({ open, chip: key, xid, speed, pause: key !== "rtl8116af", cannot: cannot(chip), absent: false });
  });

for (const chip of DRIVEN)
  describe(`${chip.key}, in short`, () => {
    const open = openFor(chip);

    test("is identified, has a link, passes frames both ways and fills in checksums", () => {
      using rig = open();
      assert.equal(rig.nic.chip.key, chip.key);
      rig.up();
      assert.equal(rig.nic.link.speed, chip.speed);
      const frame = udp(ends(), payload(100));
      const want = frame.slice();
      leaveChecksum(frame);
      rig.send(frame, Send.udpChecksum | (layout(frame).transport << Send.transportOffsetShift));
      assert.deepEqual(rig.sent, [want]);
      const arriving = udp(ends({ inbound: true }), payload(1000));
      rig.deliver(arriving);
      assert.deepEqual(rig.poll(), [arriving]);
      assert.equal(rig.flags[0]! & Received.udpChecksumGood, Received.udpChecksumGood);
    });

    test("carries its largest MTU both ways", () => {
      using rig = open();
      const { largestMtu } = chip;
      rig.nic.setMtu(largestMtu);
      rig.up();
      const frame = udp(ends(), payload(largestMtu - 28));
      rig.send(frame);
      assert.deepEqual(rig.sent, [frame]);
      const arriving = udp(ends({ inbound: true }), payload(largestMtu - 28));
      rig.deliver(arriving);
      assert.deepEqual(rig.poll(), [arriving]);
    });

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

const diesOf = (chips: readonly Chip[]): readonly string[] => [...new Set(chips.map(({ die }) => die))].toSorted();
const keysOf = (chips: readonly Chip[]): readonly string[] => chips.map(({ key }) => key);

test("one chip of every die that can be driven passes the whole suite", () =>
  assert.deepEqual(diesOf(DRIVEN.filter(({ key }) => WHOLE.includes(key))), diesOf(DRIVEN)));

test("every chip with start-up values has the driver's procedures for them, and the other way round", () => {
  const chips: readonly Chip[] = [...CHIPS, ...ANCESTORS];
  assert.deepEqual(
    keysOf(chips.filter((row) => row.start !== undefined)),
    keysOf(chips.filter((row) => familyOf(row) !== undefined)),
  );
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
