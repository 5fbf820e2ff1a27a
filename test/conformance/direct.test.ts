/** Driver and NIC together on the direct rig: our driver, our model, one thread. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CHIPS, type Chip, xidOf } from "#chip/chips.ts";
import { ExpiredWaits } from "#driver/hardware.ts";
import { rtl8169 } from "#driver/probe.ts";
import { SideBus } from "#driver/side-bus.ts";
import { bind } from "#kit/device.ts";
import { Received, Send } from "#kit/link.ts";
import { LINK_SPEEDS, partnerOf } from "#model/phy/link-partner.ts";
import { HERE, ends, layout, leaveChecksum, payload, udp } from "../rigs/frames.ts";
import { CHIPS_UNDER_TEST } from "../rigs/generations.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import type { RigOptions } from "../rigs/rig.ts";
import { cannot } from "./cannot.ts";
import { conformance } from "./conformance.ts";

/**
 * One chip of each die is tested with the whole suite, or every chip if FERRULE_EVERY_CHIP is 1. The short suite is run
 * on every chip in any case, because the chips of a die differ from each other in values.
 */
const WHOLE: readonly string[] = CHIPS_UNDER_TEST.map(({ key }) => key);

const openFor =
  ({ key }: Chip) =>
  (options: RigOptions = {}): DirectRig =>
    openDirectRig({ ...options, chip: key });

for (const chip of (CHIPS as readonly Chip[]).filter(({ key }) => WHOLE.includes(key)))
  describe(chip.key, () => {
    const { key, speed } = chip;
    conformance({
      open: openFor(chip),
      chip: key,
      xid: xidOf(chip),
      speed,
      pause: chip.profile.phy.hidesLink !== true,
      cannot: cannot(chip),
      absent: false,
    });
  });

for (const chip of CHIPS as readonly Chip[])
  describe(`${chip.key}, short suite`, () => {
    const open = openFor(chip);

    test("is identified, has a link, passes frames both ways and fills in checksums", () => {
      using rig = open();
      assert.equal(rig.nic.chip.key, chip.key);
      rig.up();
      assert.equal(rig.nic.link.speed, chip.speed);
      const frame = udp(ends(), payload(100));
      const expected = frame.slice();
      leaveChecksum(frame);
      rig.send(frame, Send.udpChecksum | (layout(frame).transport << Send.transportOffsetShift));
      assert.deepEqual(rig.sent, [expected]);
      const arriving = udp(ends({ inbound: true }), payload(1000));
      rig.deliver(arriving);
      assert.deepEqual(rig.poll(), [arriving]);
      assert.equal(rig.flags[0]! & Received.udpChecksumGood, Received.udpChecksumGood);
    });

    test("sends and receives frames of its highest MTU", () => {
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

    test("the link comes up at each speed that the partner supports, and frames pass", () => {
      for (const speed of LINK_SPEEDS) {
        if (speed > chip.speed || (chip.profile.phy.hidesLink === true && speed < 1000)) continue;
        using rig = open({ carrier: false });
        rig.up();
        rig.model.setCarrier(true, partnerOf({ speeds: [speed] }));
        rig.pass(10_000);
        rig.poll();
        assert.deepEqual([rig.nic.link.up, rig.nic.link.speed], [true, speed]);
        const frame = udp(ends(), payload(100));
        rig.send(frame);
        assert.deepEqual(rig.sent, [frame]);
      }
    });

    test("works after unbind and bind", () => {
      using rig = open();
      rig.up();
      rig.bound[Symbol.dispose]();
      using again = bind(rtl8169, rig.device, { clock: rig.clock, mtu: 1500, weaklyOrdered: false });
      const nic = again.driver;
      assert.deepEqual(nic.address, HERE);
      nic.up();
      for (let i = 0; i < 100 && !nic.link.up; i++) {
        rig.clock.delay(1000);
        nic.refreshLink();
      }
      assert.equal(nic.link.speed, chip.speed);
    });

    test("causes no offence at start, under traffic or at stop", () => {
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
      assert.deepEqual(rig.nic.expiredWaits, new ExpiredWaits());
    });
  });

/**
 * Start-up changes bit 7 of PHY page 0xa44 register 17, and bit 1 of extended register 0x1d0, on some of these chips.
 */
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
    // Bits 3:2 enable downshift, which is on unless a user turns it off.
    assert.equal(bus.phyRead((0xa44 << 4) + 2), (1 << 11) | (3 << 2) | (updated ? 0 : 1 << 7));
    assert.equal(bus.eriRead(0x1d0), updated ? 1 << 1 : 0);
  });

test("delivery of a frame from the cable reports whether the NIC accepted it", () => {
  using rig = openDirectRig({ slots: 8 });
  rig.up();
  const frame = udp(ends({ inbound: true }), payload(100));
  assert.equal(Array.from({ length: 12 }, () => rig.deliver(frame)).filter(Boolean).length, 8);
});

/** The values of extended registers 0x1bc, 0x1dc and 0x1d0 at each speed, in this order and in hexadecimal. */
for (const [chip, at10, at100, at1000] of [
  ["rtl8168evl", "1f 3f 2", "1f 5 2", "11 5 2"],
  ["rtl8168f-480", "1f 3f 12", "1f 3f 12", "11 5 12"],
  ["rtl8411", "1f 3f 12", "1f 5 12", "11 5 12"],
  ["rtl8402", "0 60a 4d02", "0 60a 0", undefined],
] as const)
  test(`${chip}: FIFO thresholds follow the link speed`, () => {
    using rig = openDirectRig({ chip, carrier: false });
    const bus = new SideBus(rig.registers, rig.clock);
    rig.up();
    for (const [speed, expected] of [
      [10, at10],
      [100, at100],
      [1000, at1000],
    ] as const) {
      if (expected === undefined) continue;
      rig.model.setCarrier(false);
      rig.pass(10_000);
      rig.poll();
      rig.model.setCarrier(true, partnerOf({ speeds: [speed] }));
      rig.pass(10_000);
      rig.poll();
      assert.equal(rig.nic.link.speed, speed);
      assert.equal([0x1bc, 0x1dc, 0x1d0].map((at) => bus.eriRead(at).toString(16)).join(" "), expected);
      assert.equal(bus.eriRead(0xdc) & 1, 1, "the packet filter must be on");
    }
  });
