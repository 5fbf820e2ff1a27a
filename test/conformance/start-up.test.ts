/**
 * The driver's register accesses from probe to link equal those recorded when its start-up values were still code,
 * except for the corrections named here. Files in `start-up/` have one access per line: `r8 37 10` is a read of 8 bits
 * at 0x37 that returned 0x10, and `×2` follows an access that was made twice in succession.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { recordStart } from "../rigs/recorded.ts";

const KEYS = ["rtl8168h", "rtl8168m", "rtl8107e", "rtl8139cp"] as const;

interface Correction {
  readonly because: string;
  readonly of: readonly (typeof KEYS)[number][];
  /** Consecutive accesses, which are replaced wherever they occur. */
  readonly before: readonly string[];
  /** The accesses that replace those of `before`. */
  readonly after: readonly string[];
}

const hex = (value: number): string => (value >>> 0).toString(16);
const FLAG = 0x8000_0000;
/** The accesses of a read-modify-write of a MAC-OCP register. */
const mac = (at: number, was: number, is: number): readonly string[] => {
  const word = at << 15;
  return [`w32 b0 ${hex(word)}`, `r32 b0 ${hex(word | was)}`, `w32 b0 ${hex(FLAG | word | is)}`];
};
const macWrite = (at: number, value: number): string => `w32 b0 ${hex(FLAG | (at << 15) | value)}`;
const eri = (at: number, was: number, is: number): readonly string[] => {
  const word = 0xf000 | at;
  const ask = [`w32 74 ${hex(word)}`, `r32 74 ${hex(FLAG | word)}`, `r32 70 ${hex(was)}`];
  return [...ask, `w32 70 ${hex(is)}`, `w32 74 ${hex(FLAG | word)}`, `r32 74 ${hex(word)}`];
};
const phyRead = (at: number, value: number): readonly string[] => [
  `w32 b8 ${hex(at << 15)}`,
  `r32 b8 ${hex(FLAG | (at << 15) | value)} ×2`,
];
const phyWrite = (at: number, value: number): readonly string[] => [
  `w32 b8 ${hex(FLAG | (at << 15) | value)}`,
  `r32 b8 ${hex((at << 15) | value)}`,
];
const RTL8168H = ["rtl8168h", "rtl8168m", "rtl8107e"] as const;
const AGGREGATION_OFF = [
  ...mac(0xe63e, 0, 0),
  ...mac(0xe63e, 0, 1),
  ...mac(0xe63e, 1, 0),
  macWrite(0xc094, 0),
  macWrite(0xc09e, 0),
];

const CORRECTIONS: readonly Correction[] = [
  {
    because: "SYSErr is enabled as an interrupt: it needs a reset",
    of: KEYS,
    before: ["w16 3c 2f"],
    after: ["w16 3c 802f"],
  },
  {
    because: "the receive filter is set once, after the station address and the multicast hash",
    of: ["rtl8168h", "rtl8168m", "rtl8107e"],
    before: ["w32 44 cf0a"],
    after: [],
  },
  {
    because: "the receive filter is set once, after the station address and the multicast hash",
    of: ["rtl8139cp"],
    before: ["w32 44 e70a"],
    after: [],
  },
  {
    because: "extended register 0x1d0 bit 1 is not changed on the 8168M (DPDK, CFG_METHOD_37)",
    of: ["rtl8168m"],
    before: ["w32 74 f1d0", "r32 74 8000f1d0", "r32 70 0", "w32 70 2", "w32 74 8000f1d0", "r32 74 f1d0"],
    after: [],
  },
  {
    because: "the identification is read twice: a chip that answers differently is not driven",
    of: ["rtl8168h", "rtl8107e"],
    before: ["r32 40 54100800", "w16 3c 0"],
    after: ["r32 40 54100800 ×2", "w16 3c 0"],
  },
  {
    because: "the identification is read twice: a chip that answers differently is not driven",
    of: ["rtl8168m"],
    before: ["r32 40 6c000800", "w16 3c 0"],
    after: ["r32 40 6c000800 ×2", "w16 3c 0"],
  },
  {
    because: "the identification is read twice: a chip that answers differently is not driven",
    of: ["rtl8139cp"],
    before: ["r32 40 74800000", "w16 3c 0"],
    after: ["r32 40 74800000 ×2", "w16 3c 0"],
  },
  {
    because: "MAC-OCP 0xdc00 and 0xd006 distinguish the RTL8116af and two steppings of the 8168H",
    of: ["rtl8168h"],
    before: ["r32 40 54100800 ×2", "w16 3c 0"],
    after: [
      "r32 40 54100800 ×2",
      "w32 b0 6e000000",
      "r32 b0 6e000000",
      "w32 b0 68030000",
      "r32 b0 68030000",
      "w32 b0 68030000",
      "r32 b0 68030000",
      "w16 3c 0",
    ],
  },
  {
    because: "the station address is read from extended register 0xe0 first: another system may have changed IDR",
    of: ["rtl8168h", "rtl8168m", "rtl8107e"],
    before: ["w8 37 10", "r8 37 0", "w16 3c 0"],
    after: [
      "w8 37 10",
      "r8 37 0",
      "w32 74 f0e0",
      "r32 74 8000f0e0",
      "r32 70 2",
      "w32 74 f0e4",
      "r32 74 8000f0e4",
      "r32 70 100",
      "r32 0 2",
      "r32 4 100",
      "w16 3c 0",
    ],
  },
  {
    because: "the station address is read and checked, and stored to be restored at the end",
    of: ["rtl8139cp"],
    before: ["w8 37 10", "r8 37 0", "w16 3c 0"],
    after: ["w8 37 10", "r8 37 0", "r32 0 2", "r32 4 100", "r32 0 2", "r32 4 100", "w16 3c 0"],
  },
  {
    because: "the transmit FIFO sizes itself, as under Linux and Realtek's own driver",
    of: RTL8168H,
    before: ["w32 40 3000700"],
    after: ["w32 40 3000780"],
  },
  {
    because: "the receive FIFO is divided to match the transmit FIFO",
    of: RTL8168H,
    before: ["w32 70 3700002"],
    after: ["w32 70 80002"],
  },
  {
    because: "the packet filter is reset, and extended register 0x5f0 set",
    of: RTL8168H,
    before: eri(0xdc, 0, 0x1c),
    after: [...eri(0xdc, 0, 0x1c), ...eri(0x5f0, 0, 0), ...eri(0xdc, 0x1c, 0x1c), ...eri(0xdc, 0x1c, 0x1d)],
  },
  {
    because: "DMA is not aggregated, power saving has the vendor's values, and the PHY's oscillator is checked",
    of: RTL8168H,
    before: [macWrite(0xe098, 0x0aa2)],
    after: [
      macWrite(0xe098, 0x0aa2),
      ...AGGREGATION_OFF,
      ...mac(0xe056, 0, 0),
      ...mac(0xe052, 0, 0x8000),
      ...mac(0xd420, 0, 0x045f),
      ...phyRead(0xc426, 0),
    ],
  },
  {
    because: "ultra power saving is off, except on the 8168M (DPDK, rtl_disable_ups)",
    of: ["rtl8168h", "rtl8107e"],
    before: AGGREGATION_OFF,
    after: [...AGGREGATION_OFF, ...mac(0xd400, 0, 0)],
  },
  {
    because: "the address of a parameter is written without being read",
    of: RTL8168H,
    before: [...phyRead(0xa436, 0), ...phyWrite(0xa436, 0x808a)],
    after: phyWrite(0xa436, 0x808a),
  },
  {
    because: "the PHY recalibrates while the link is up",
    of: RTL8168H,
    before: phyWrite(0xa438, 0x000a),
    after: [
      ...phyWrite(0xa438, 0x000a),
      ...phyWrite(0xa436, 0x8011),
      ...phyRead(0xa438, 0),
      ...phyWrite(0xa438, 0x0800),
      ...phyRead(0xa42c, 0),
      ...phyWrite(0xa42c, 0x0002),
    ],
  },
  {
    because: "the bias of the PHY's converters comes from fuses, and the length of its pairs from a reported value",
    of: RTL8168H,
    before: phyWrite(0xa442, 0x080c),
    after: [
      ...phyWrite(0xa442, 0x080c),
      macWrite(0xdd02, 0x807d),
      `w32 b0 ${hex(0xdd02 << 15)}`,
      `r32 b0 ${hex((0xdd02 << 15) | 0x807d)}`,
      `w32 b0 ${hex(0xdd00 << 15)}`,
      `r32 b0 ${hex(0xdd00 << 15)}`,
      ...phyWrite(0xbcfc, 0),
      ...phyRead(0xbcdc, 0),
      ...phyWrite(0xbcde, 0),
    ],
  },
  {
    because: "a board may disable the PHY by a pin",
    of: RTL8168H,
    before: phyWrite(0xa400, 0x9000),
    after: ["r8 f2 0", ...phyWrite(0xa400, 0x9000)],
  },
  {
    because: "EEE is off in the PHY and not advertised, and ALDPS is off",
    of: RTL8168H,
    before: phyWrite(0xa408, 0x0de1),
    after: [
      ...phyRead(0xa432, 0),
      ...phyWrite(0xa432, 0),
      ...phyWrite(0xa5d0, 0),
      ...phyRead(0xa430, 1),
      ...phyWrite(0xa408, 0x0de1),
    ],
  },
  {
    because: "MDI-X and downshift are set",
    of: RTL8168H,
    before: phyWrite(0xa400, 0x1200),
    after: [...phyRead(0xa430, 1), ...phyRead(0xa442, 0x080c), ...phyWrite(0xa400, 0x1200)],
  },
  {
    because: "the MAC does not idle without EEE, and the time before it idles follows the MTU",
    of: RTL8168H,
    before: phyRead(0xa40a, 0xc5e1),
    after: [...phyRead(0xa40a, 0xc5e1), ...eri(0x1b0, 0, 0), macWrite(0xe048, 0x060a)],
  },
  {
    because: "the PLL stays on in D3hot",
    of: RTL8168H,
    before: [...phyWrite(0xa400, 0x1200), "w16 3c 802f"],
    after: [...phyWrite(0xa400, 0x1200), "r8 6f 0", "w8 6f 40", "w16 3c 802f"],
  },
  {
    because: "ASPM is off in the chip while its PCI Express PHY is written",
    of: RTL8168H,
    before: ["r8 53 0", "w8 53 0"],
    after: ["r8 53 0", "w8 53 0", "r8 56 0", "w8 56 0"],
  },
  {
    because: "ASPM stays off if the system has disabled it",
    of: RTL8168H,
    before: ["w8 6f 40"],
    after: ["w8 6f 40", "w8 50 c0", ...mac(0xe092, 0, 0), "r8 53 0", "w8 53 0", "r8 56 0", "w8 56 0", "w8 50 0"],
  },
  {
    because: "there is one receive queue without a hash, because another system may have left several",
    of: RTL8168H,
    before: ["r32 74 f0e8"],
    after: ["r32 74 f0e8", ...eri(0xc0, 0, 0), "w32 70 0", "w32 74 8000f0b8", "r32 74 f0b8"],
  },
  {
    because: "the format of receive descriptors is selected before the receiver is enabled",
    of: RTL8168H,
    before: ["w16 da 800"],
    after: ["r32 44 0", "w32 44 0", "w16 da 800"],
  },
];

const recorded = (key: string): readonly string[] =>
  readFileSync(join(import.meta.dirname, "start-up", `${key}.txt`), "utf8")
    .trimEnd()
    .split("\n");

/** Joins the lines; each ends with a newline, so that no access matches a part of another. */
const joined = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");

const corrected = (key: (typeof KEYS)[number]): string => {
  let text = `\n${joined(recorded(key))}`;
  for (const { of, before, after, because } of CORRECTIONS) {
    if (!of.includes(key)) continue;
    const from = `\n${joined(before)}`;
    assert.ok(text.includes(from), `${key} has no access to correct: ${because}`);
    text = text.replaceAll(from, `\n${joined(after)}`);
  }
  return text.slice(1);
};

for (const key of KEYS)
  test(`${key} is started with the recorded accesses, except for the named corrections`, () => {
    assert.equal(joined(recordStart(key)), corrected(key));
  });
