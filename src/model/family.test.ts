/** Each chip of the family: what a driver finds at probe. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Chip, CHIPS, chipNamed, chipOf, PCI_IDS } from "#chip/chips.ts";
import { ChipCmd, ChipId, Cmd, IDR0, IDR4, MACOCP, TxConf } from "#chip/registers.ts";
import { TxConfigV2 } from "#chip/registers-8125.ts";
import { regionsOf } from "./pci/config-layout.ts";
import { Guest } from "./guest.test-kit.ts";
import { registersOf } from "./registers/register-set.ts";

const chips: readonly Chip[] = CHIPS;

/**
 * Identifies the chip as a driver does: by the PCI device, then the XID, then the registers that distinguish chips with
 * one XID.
 */
const identify = (guest: Guest): Chip | undefined => {
  const device = guest.nic.read("config", 2, 2);
  const xid = (guest.r32(ChipId) >>> TxConf.xidShift) & TxConf.xidMask;
  const macOcp = (address: number): number => {
    guest.w32(MACOCP, address << 15);
    return guest.r32(MACOCP) & 0xffff;
  };
  return chipOf(xid, { device, extended: () => guest.r32(TxConfigV2), macOcp });
};

for (const chip of chips) {
  test(`${chip.key} is found by PCI identity, identified by XID, reset, and identified again`, () => {
    const guest = new Guest({ chip });
    const [vendor, device] = [guest.nic.read("config", 0, 2), guest.nic.read("config", 2, 2)];
    assert.ok(PCI_IDS.some((id) => id.vendor === vendor && id.device === device));
    assert.equal(identify(guest)?.key, chip.key);
    guest.w8(ChipCmd, Cmd.reset);
    assert.equal(guest.r8(ChipCmd) & Cmd.reset, 0);
    assert.equal(identify(guest)?.key, chip.key);
    guest.nic.reset();
    guest.busMaster(false);
    assert.equal(identify(guest)?.key, chip.key);
    assert.deepEqual([guest.r32(IDR0), guest.r16(IDR4)], [0x3322_1102, 0x5544]);
  });

  test(`${chip.key} allows reads of each register, and of all words of the first 256 bytes, without an offence`, () => {
    const guest = new Guest({ chip });
    for (const { offset, width } of registersOf(chip))
      guest.nic.read(chip.profile.function.registersBar, offset, (width / 8) as 1 | 2 | 4);
    for (let offset = 0; offset < 0x100; offset += 4) guest.r32(offset);
    assert.equal(guest.nic.offences.unknown, 0);
  });

  test(`${chip.key} reports the size of each region in its BAR`, () => {
    const guest = new Guest({ chip });
    const sizes = regionsOf(chip);
    for (const bar of [0, 1, 2, 3, 4, 5] as const) {
      const bytes = guest.nic.size(bar);
      assert.equal(bytes, sizes[bar]);
      const at = 0x10 + 4 * bar;
      const before = guest.nic.read("config", at, 4);
      guest.nic.write("config", at, 4, 0xffff_ffff);
      const mask = guest.nic.read("config", at, 4);
      guest.nic.write("config", at, 4, before);
      const isUpperHalf = bar > 0 && (guest.nic.read("config", at - 4, 4) & 7) === 4;
      if (bytes > 0) assert.equal((~(mask & (bar === 0 ? ~3 : ~0xf)) >>> 0) + 1, bytes, `bar ${bar}`);
      else assert.equal(mask, isUpperHalf ? 0xffff_ffff : 0, `bar ${bar}`);
    }
  });
}

test("configuration space has the PCI identity of the board's manufacturer, if the model's options set one", () => {
  const identity = { vendor: 0x1737, device: 0x1032, subsystemVendor: 0x1737, subsystemDevice: 0x0024 };
  const { nic } = new Guest({ chip: chipNamed("rtl8169s")!, identity });
  assert.equal(nic.read("config", 0, 4), 0x1032_1737);
  assert.equal(nic.read("config", 0x2c, 4), 0x0024_1737);
  assert.equal(nic.read("config", 8, 1), 0x10);
});

test("random accesses to any chip never throw, and reads are unsigned and in range", () => {
  const access = fc.record({
    region: fc.constantFrom("config" as const, 0 as const, 1 as const, 2 as const, 3 as const, 4 as const),
    offset: fc.oneof(fc.nat(0x120), fc.nat(0x1_0010)),
    width: fc.constantFrom(1 as const, 2 as const, 4 as const),
    value: fc.oneof(fc.nat(0xffff), fc.integer({ min: 0, max: 0xffff_ffff })),
    write: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.constantFrom(...chips), fc.array(access, { maxLength: 60 }), (chip, accesses) => {
      const guest = new Guest({ chip, strict: "off" });
      guest.nic.setCarrier(true);
      for (const { region, offset, width, value, write } of accesses) {
        if (write) guest.nic.write(region, offset, width, value % 2 ** (8 * width));
        else {
          const got = guest.nic.read(region, offset, width);
          assert.ok(Number.isInteger(got) && got >= 0 && got < 2 ** (8 * width));
        }
        guest.clock.delay(1);
      }
      guest.nic.powerCycle();
      guest.busMaster(false);
      assert.equal(identify(guest)?.key, chip.key);
    }),
    { numRuns: 300 },
  );
});
