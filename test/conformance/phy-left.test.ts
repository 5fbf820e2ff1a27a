/**
 * Whatever state another system has left the PHY in, the driver brings the link up at full speed. If the board disables
 * the PHY, the driver reports an error.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CHIPS, type Chip } from "#chip/chips.ts";
import {
  ANAR,
  BMCR,
  Bmcr,
  EXTENSION_PAGE,
  EXTENSION_SELECT,
  GBCR,
  Gbcr,
  MEMORY_ADDRESS,
  MEMORY_PAGE,
  MMD_CONTROL,
  OCP_STANDARD,
  PAGE,
} from "#chip/phy.ts";
import { FLAG, MISC_1, Misc1, PHYAR } from "#chip/registers.ts";
import { SideBus } from "#driver/side-bus.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";

/** One chip of each kind of PHY. */
const KINDS = [
  ...new Map(
    (CHIPS as readonly Chip[]).map((chip) => [`${chip.profile.phy.id} ${chip.profile.phyAccess}`, chip]),
  ).values(),
];

type Write = (register: number, value: number) => void;

/** Writes clause 22 registers without the driver. */
const writer = ({ registers, clock, nic }: DirectRig): Write => {
  if (nic.chip.profile.phyAccess === "ocp") {
    const bus = new SideBus(registers, clock);
    return (register, value) => {
      if (register < 16) bus.phyWrite(OCP_STANDARD + 2 * register, value);
    };
  }
  return (register, value) => registers.write32(PHYAR, (FLAG | (register << 16) | value) >>> 0);
};

const LEFT: Readonly<Record<string, (write: Write) => void>> = {
  "powered down": (write) => write(BMCR, Bmcr.autonegotiate | Bmcr.powerDown),
  isolated: (write) => write(BMCR, Bmcr.autonegotiate | Bmcr.isolate),
  "in loopback": (write) => write(BMCR, Bmcr.loopback | Bmcr.fullDuplex | Bmcr.speedLow),
  "forced to 10 Mbit/s, half duplex": (write) => write(BMCR, 0),
  "in its reset": (write) => write(BMCR, Bmcr.reset),
  "with nothing advertised": (write) => {
    write(ANAR, 1);
    write(GBCR, 0);
  },
  "as clock master by hand": (write) => write(GBCR, Gbcr.manualMaster | Gbcr.master | Gbcr.full1000),
  "on another page": (write) => write(PAGE, 1),
  "in a window to its memory": (write) => {
    write(PAGE, MEMORY_PAGE);
    write(MEMORY_ADDRESS, 0x8b80);
  },
  "on a page of extensions": (write) => {
    write(PAGE, EXTENSION_PAGE);
    write(EXTENSION_SELECT, 0x2d);
  },
  "in the middle of a clause 45 access": (write) => write(MMD_CONTROL, 0x4007),
};

for (const chip of KINDS)
  describe(chip.key, () => {
    for (const [state, leave] of Object.entries(LEFT))
      test(`a PHY that was left ${state} has a link at full speed after \`up\``, () => {
        using rig = openDirectRig({ chip: chip.key });
        leave(writer(rig));
        rig.up();
        assert.deepEqual([rig.nic.link.up, rig.nic.link.speed], [true, chip.speed]);
        rig.send(udp(ends(), payload(100)));
        assert.equal(rig.sent.length, 1);
        assert.equal(rig.nic.expiredWaits.count, 0);
      });
  });

for (const chip of (CHIPS as readonly Chip[]).filter(({ profile }) => profile.phySwitch !== undefined))
  test(`${chip.key}: a PHY that the board disables is an error, and nothing is written to it`, () => {
    using rig = openDirectRig({ chip: chip.key });
    const bus = new SideBus(rig.registers, rig.clock);
    rig.registers.update8(MISC_1, 0, Misc1.phySwitch);
    const before = rig.model.state.phy;
    assert.throws(() => rig.nic.up(), { code: "PHY_DISABLED", hint: /setup/ });
    assert.deepEqual([rig.nic.running, rig.model.state.phy], [false, before]);
    // The pin is high, which enables the PHY.
    bus.macWrite(0xdc04, chip.profile.phySwitch!);
    rig.up();
    assert.equal(rig.nic.link.speed, chip.speed);
  });

for (const chip of KINDS)
  test(`${chip.key}: a reset of a NIC that is down brings it up with its link`, () => {
    using rig = openDirectRig({ chip: chip.key });
    rig.up();
    rig.nic.down();
    rig.nic.reset();
    for (let i = 0; i < 100 && !rig.nic.refreshLink().up; i++) rig.clock.delay(100_000);
    assert.equal(rig.nic.link.up, true);
  });
