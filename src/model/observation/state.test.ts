/** The state of a model: every space contains what was written to it, and reading the state changes nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChipKey, chipNamed } from "#chip/chips.ts";
import { BMCR, Bmcr } from "#chip/phy.ts";
import { EPHYAR, ERIAR, ERIDR, FLAG, MACOCP, MAR0, PHYAR, PHYOCP } from "#chip/registers.ts";
import { SDS_ADDR, SDS_CMD, SDS_DATA_IN, SerdesCommand } from "#chip/registers-8125.ts";
import { Guest } from "../guest.test-kit.ts";
import type { Space, Words } from "./state.ts";

/** What the guest changed in each space; spaces without changes are omitted. */
const changes = (key: ChipKey, change: (guest: Guest) => void): Partial<Record<Space, Words>> => {
  const guest = new Guest({ chip: chipNamed(key)! });
  const before = guest.nic.state;
  change(guest);
  const after = guest.nic.state;
  const found: Partial<Record<Space, Words>> = {};
  for (const [space, words] of Object.entries(after) as [Space, Words][]) {
    const keys = Object.keys({ ...before[space], ...words }).filter((at) => before[space][at] !== words[at]);
    if (keys.length > 0) found[space] = Object.fromEntries(keys.map((at) => [at, words[at] ?? 0]));
  }
  return found;
};

const mdio = (guest: Guest, register: number, value: number): void => guest.w32(PHYAR, FLAG + (register << 16) + value);

test("the state lists registers of the window by name, and configuration space in entries of 16 bits", () => {
  assert.deepEqual(
    changes("rtl8168h", (guest) => {
      guest.w32(MAR0, 0x1234_5678);
      guest.nic.write("config", 4, 2, 7);
    }),
    { registers: { MAR0: 0x1234_5678 }, config: { "0x4": 7 } },
  );
});

test("values written by indirect access are shown at their own addresses", () => {
  assert.deepEqual(
    changes("rtl8168h", (guest) => {
      guest.w32(MACOCP, FLAG + (0xd400 << 15) + 5);
      guest.w32(ERIDR, 0x55);
      guest.w32(ERIAR, FLAG + 0xf0d0);
      guest.w32(EPHYAR, FLAG + (0x1e << 16) + 7);
      guest.phyWrite(0xbcfc, 9);
    }),
    {
      registers: { ERIDR: 0x55, ERIAR: 0xf0d0, PHYOCP: 0xbcfc * 0x8000 + 9, EPHYAR: 0x1e_0007, MACOCP: 0x6a00_0005 },
      macOcp: { "0xd400": 5 },
      eri: { "0xd0": 0x55 },
      ephy: { "0x1e": 7 },
      phy: { "0xbcfc": 9 },
    },
  );
});

test("pages of a PHY, its extension pages and the memory of its controller have separate addresses", () => {
  const { registers: _, ...rest } = changes("rtl8168evl", (guest) => {
    mdio(guest, 31, 7);
    mdio(guest, 30, 0x2c);
    mdio(guest, 24, 3);
    mdio(guest, 31, 5);
    mdio(guest, 5, 0x8b85);
    mdio(guest, 6, 0x1234);
    mdio(guest, 1, 2);
  });
  assert.deepEqual(rest, {
    phy: { "0x1f": 5, "0x501": 2, "0x505": 0x8b87 },
    phyExtension: { "0x2c18": 3 },
    phyMemory: { "0x8b85": 0x12, "0x8b86": 0x34 },
  });
});

/** Returns the state of the PHY's memory after two uploads to one address: a different program, then `words`. */
const memoryAfter = (...words: readonly number[]): Words | undefined =>
  changes("rtl8168h", (guest) => {
    for (const change of [7, 0]) {
      guest.phyWrite(0xa436, 0xa014);
      for (const word of words) guest.phyWrite(0xa438, word + change);
    }
  }).phyMemory;

test("a program for the PHY's controller is shown as a checksum, which restarts when the address is set", () => {
  const once = memoryAfter(0x2c04, 0x2c1e);
  assert.deepEqual(Object.keys(once!), ["0xa014"]);
  assert.deepEqual(memoryAfter(0x2c04, 0x2c1e), once);
  assert.notDeepEqual(memoryAfter(0x2c1e, 0x2c04), once);
  assert.notDeepEqual(memoryAfter(0x2c04), once);
});

test("the state shows the MAC's firmware pages, clause 45 registers and the SerDes", () => {
  const { registers: _, ...rest } = changes("rtl8127a", (guest) => {
    guest.w32(MACOCP, FLAG + (0xe446 << 15) + 2);
    guest.w32(MACOCP, FLAG + (0xf802 << 15) + 0x1111);
    guest.phyWrite(0xa5d0, 0);
    guest.w16(SDS_ADDR, 0x6);
    guest.w16(SDS_DATA_IN, 0x77);
    guest.w16(SDS_CMD, SerdesCommand.go | SerdesCommand.write);
  });
  assert.deepEqual(rest, {
    macOcp: { "0xe446": 2 },
    macProgram: { "0x2f802": 0x1111 },
    clause45: { "0x7003c": 0 },
    serdes: { "0x6": 0x77 },
  });
});

test("reading the state clears no latched bit and does not change a window's address", () => {
  const guest = new Guest({});
  guest.nic.setCarrier(true);
  guest.clock.delay(10_000);
  guest.nic.setCarrier(false);
  guest.phyWrite(0xa436, 0x8100);
  const first = guest.nic.state;
  assert.deepEqual(guest.nic.state, first);
  assert.equal(guest.phyRead(0xa436), 0x8100);
  guest.w32(PHYOCP, (0xa400 + 2 * BMCR) << 15);
  assert.equal(guest.r32(PHYOCP) & Bmcr.autonegotiate, Bmcr.autonegotiate);
  assert.deepEqual(guest.offences, []);
});
