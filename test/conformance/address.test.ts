/**
 * Tests NICs whose station address is not in the IDR registers. The driver must use another copy in the chip, a
 * configured address, or a random address.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DirectDevice } from "#bus/direct.ts";
import { chipNamed } from "#chip/chips.ts";
import { SecMAC0, SecMAC4 } from "#chip/registers.ts";
import { hardwareOf } from "#driver/hardware.ts";
import { SideBus } from "#driver/side-bus.ts";
import { findStationAddress } from "#driver/station-address.ts";
import { VirtualClock } from "#kit/clock.ts";
import { isStationAddress } from "#kit/station-address.ts";
import type { DamagedAddress } from "#model/model-options.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";

const FACTORY = [0x00, 0xe0, 0x4c, 0x68, 0x00, 0x01];
const MAC = "00:e0:4c:68:00:01";
const CHOSEN = Uint8Array.of(0x02, 0x10, 0x20, 0x30, 0x40, 0x50);
/** Invalid station addresses, some of which users have reported from real cards. */
const BAD = {
  "all zeros": [0, 0, 0, 0, 0, 0],
  "all ones": [255, 255, 255, 255, 255, 255],
  "a multicast address": [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01],
} as const;

const registersOf = (rig: DirectRig): number[] => [0, 1, 2, 3, 4, 5].map((offset) => rig.model.read(2, offset, 1));

/** Whether the NIC receives a frame to `address`. */
const receives = (rig: DirectRig, address: Readonly<Uint8Array>): boolean => {
  const frame = new Uint8Array(64);
  frame.set(address);
  rig.deliver(frame);
  return rig.poll().length === 1;
};

for (const [what, bytes] of Object.entries(BAD)) {
  const registers = Uint8Array.from(bytes);

  test(`registers that hold ${what}: the factory's copy is used, and written to the registers`, () => {
    using rig = openDirectRig({ mac: MAC, damagedAddress: { registers, copies: true } });
    assert.deepEqual([...rig.nic.address], FACTORY);
    assert.deepEqual([...rig.nic.permanentAddress!], FACTORY);
    rig.up();
    assert.deepEqual(registersOf(rig), FACTORY);
    assert.ok(receives(rig, Uint8Array.from(FACTORY)));
  });

  test(`registers that hold ${what} on a card without a copy: a random or the configured address is used`, () => {
    const damagedAddress: DamagedAddress = { registers, copies: false };
    using rig = openDirectRig({ mac: MAC, damagedAddress });
    using other = openDirectRig({ mac: MAC, damagedAddress });
    assert.equal(rig.nic.permanentAddress, undefined);
    const { address } = rig.nic;
    assert.ok(isStationAddress(address));
    assert.equal(address[0]! & 2, 2, "the address must be locally administered");
    assert.notDeepEqual(address, other.nic.address);
    rig.up();
    assert.ok(receives(rig, address));
    using ordered = openDirectRig({ mac: MAC, damagedAddress, address: CHOSEN });
    assert.deepEqual(ordered.nic.address, CHOSEN);
    ordered.up();
    assert.ok(receives(ordered, CHOSEN));
  });
}

test("the factory's copy of the address is preferred to valid registers, which another system may have changed", () => {
  using rig = openDirectRig({ mac: MAC, damagedAddress: { registers: CHOSEN, copies: true } });
  assert.deepEqual([...rig.nic.address], FACTORY);
});

test("the address in valid registers is used if the copy is blank", () => {
  using rig = openDirectRig({ mac: MAC, damagedAddress: { registers: CHOSEN, copies: false } });
  assert.deepEqual(rig.nic.permanentAddress, CHOSEN);
});

test("a configured or changed address is kept across an MTU change, and the factory's is restored at the end", () => {
  for (const change of [
    { options: { address: CHOSEN }, act: () => {} },
    { options: {}, act: (rig: DirectRig) => (rig.nic.address = CHOSEN) },
  ]) {
    const rig = openDirectRig({ mac: MAC, ...change.options });
    rig.up();
    change.act(rig);
    rig.nic.setMtu(9000);
    assert.deepEqual(registersOf(rig), [...CHOSEN]);
    rig.bound[Symbol.dispose]();
    assert.deepEqual(registersOf(rig), FACTORY);
    rig.device[Symbol.dispose]();
  }
});

/** The copies of the address that these chips have besides the station address registers. */
const COPIES: Readonly<Record<string, (rig: DirectRig) => readonly number[]>> = {
  "rtl8168e-2c1": ({ device: { registers: io } }) => [io.read32(SecMAC0), io.read16(SecMAC4)],
  rtl8168evl: ({ device, clock }) => {
    const side = new SideBus(device.registers, clock);
    return [0xe0, 0xe4, 0xf0, 0xf4].map((address) => side.eriRead(address));
  },
};
for (const [chip, copiesOf] of Object.entries(COPIES))
  test(`${chip}: the chip's copies of the address follow a change, and at the end are as at the start`, () => {
    const rig = openDirectRig({ chip, mac: MAC });
    using _device = rig.device;
    rig.up();
    const factory = copiesOf(rig);
    rig.nic.address = CHOSEN;
    const chosen = copiesOf(rig);
    assert.deepEqual(chosen.slice(0, 2), [0x3020_1002, 0x5040]);
    rig.nic.reset();
    assert.deepEqual(copiesOf(rig), chosen);
    rig.bound[Symbol.dispose]();
    assert.deepEqual(copiesOf(rig), factory);
  });

test("an invalid configured address is rejected before anything is changed", () => {
  for (const bytes of Object.values(BAD))
    assert.throws(() => openDirectRig({ address: Uint8Array.from(bytes) })[Symbol.dispose](), { code: "OUT_OF_RANGE" });
});

/** Two chips for each place where a chip may have a copy of the address. */
for (const [key, place] of [
  ["rtl8169sc-180", "EEPROM"],
  ["rtl8168b", "EEPROM"],
  ["rtl8168evl", "extended register 0xe0"],
  ["rtl8411b", "extended register 0xe0"],
  ["rtl8125a", "backup registers"],
  ["rtl8127a", "backup registers"],
] as const)
  test(`${key}: the station address is found in the ${place}`, () => {
    for (const copies of [true, false]) {
      const clock = new VirtualClock();
      const chip = chipNamed(key)!;
      const damagedAddress = { registers: new Uint8Array(6), copies };
      const model = new Rtl8169({ chip, mac: MAC, clock, timers: clock.timers, strict: "error", damagedAddress });
      const registers = chip.profile.function.registersBar;
      using device = new DirectDevice(model, { name: key, registers, dmaBytes: 4096, vectors: 1 });
      const phy = { read: () => 0, write: () => {} };
      const start = { mac: [], phy: [] };
      const hw = { ...hardwareOf({ io: device.registers, clock, chip }, start), phy };
      const found = findStationAddress(hw);
      assert.deepEqual(found && [...found], copies ? FACTORY : undefined);
      assert.deepEqual(
        Object.entries(model.offences).filter(([, n]) => n > 0),
        [],
      );
    }
  });
