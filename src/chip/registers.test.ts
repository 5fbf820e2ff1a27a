import assert from "node:assert/strict";
import { test } from "node:test";
import type { Access, Register, Width } from "#kit/mmio.ts";
import * as registers from "./registers.ts";

type Map = typeof registers;
type RegisterName = { [N in keyof Map]: Map[N] extends Register<Width, Access> ? N : never }[keyof Map];
type WidthOf<R> = R extends Register<infer W, Access> ? W : never;
type AccessOf<R> = R extends Register<Width, infer A> ? A : never;
/** A row of the table; with the wrong width or access it does not compile. */
type Row = { [N in RegisterName]: readonly [number, WidthOf<Map[N]>, AccessOf<Map[N]>, N] }[RegisterName];

// The register table, typed in from the datasheet, not copied from registers.ts.
// prettier-ignore
// oxfmt-ignore
const PAGE = [
  [0x00, 32, "rw", "IDR0"],
  [0x04, 32, "rw", "IDR4"],
  [0x08, 32, "rw", "MAR0"],
  [0x0c, 32, "rw", "MAR4"],
  [0x10, 32, "low", "DTCCR"],
  [0x14, 32, "high", "DTCCRHigh"],
  [0x18, 16, "rw", "LED_CTRL"],
  [0x1a,  8, "rw", "LED_FREQ"],
  [0x1b,  8, "rw", "EEE_LED"],
  [0x20, 32, "low", "TNPDS"],
  [0x24, 32, "high", "TNPDSHigh"],
  [0x28, 32, "low", "THPDS"],
  [0x2c, 32, "high", "THPDSHigh"],
  [0x30, 32, "rw", "FLASH"],
  [0x36,  8, "ro", "ERSR"],
  [0x37,  8, "rw", "ChipCmd"],
  [0x38,  8, "rw", "TxPoll"],
  [0x3c, 16, "rw", "IntrMask"],
  [0x3e, 16, "w1c", "IntrStatus"],
  [0x3e,  8, "w1c", "IntrStatus_0"],
  [0x40, 32, "rw", "TxConfig"],
  [0x40, 32, "ro", "ChipId"],
  [0x44, 32, "rw", "RxConfig"],
  [0x48, 32, "rw", "TimerCount"],
  [0x4c, 32, "rw", "MissedPackets"],
  [0x50,  8, "rw", "Cfg9346"],
  [0x51,  8, "rw", "Config0"],
  [0x52,  8, "rw", "Config1"],
  [0x53,  8, "rw", "Config2"],
  [0x54,  8, "rw", "Config3"],
  [0x55,  8, "rw", "Config4"],
  [0x56,  8, "rw", "Config5"],
  [0x57,  8, "rw", "TDFNR"],
  [0x58, 32, "rw", "TimerInt"],
  [0x5c, 32, "rw", "TimerInt1"],
  [0x5c, 16, "rw", "TimerInt1_0"],
  [0x60, 32, "rw", "PHYAR"],
  [0x64, 32, "rw", "CSIDR"],
  [0x68, 32, "rw", "CSIAR"],
  [0x6c,  8, "ro", "PHYstatus"],
  [0x6d,  8, "rw", "MACDBG"],
  [0x6e,  8, "rw", "GPIO"],
  [0x6f,  8, "rw", "PMCH"],
  [0x70, 32, "rw", "ERIDR"],
  [0x74, 32, "rw", "ERIAR"],
  [0x7c, 32, "rw", "EPHY_RXER_NUM"],
  [0x80, 32, "rw", "EPHYAR"],
  [0x84,  8, "rw", "IntrMask1"],
  [0x85,  8, "rw", "IntrMask2"],
  [0x86,  8, "w1c", "IntrStatus1"],
  [0x87,  8, "w1c", "IntrStatus2"],
  [0x8c, 32, "rw", "TimerInt2"],
  [0xb0, 32, "rw", "At00b0"],
  [0xb0, 32, "rw", "MACOCP"],
  [0xb0, 32, "rw", "OCPDR"],
  [0xb4, 32, "rw", "OCPAR"],
  [0xb4, 32, "rw", "SecMAC0"],
  [0xb6,  8, "rw", "COMBO_LTR_EXTEND"],
  [0xb8, 32, "rw", "PHYOCP"],
  [0xb8, 16, "rw", "SecMAC4"],
  [0xc0,  8, "rw", "IntrMask3"],
  [0xc1,  8, "w1c", "IntrStatus3"],
  [0xd0,  8, "rw", "DLLPR"],
  [0xd0, 32, "rw", "RDSAR1"],
  [0xd1,  8, "rw", "DBG_REG"],
  [0xd2,  8, "rw", "TWSI"],
  [0xd3,  8, "rw", "MCU"],
  [0xda, 16, "rw", "RxMaxSize"],
  [0xdc, 32, "rw", "EFUSEAR"],
  [0xe0, 16, "rw", "CPlusCmd"],
  [0xe2, 16, "rw", "IntrMitigate"],
  [0xe4, 32, "low", "RDSAR"],
  [0xe8, 32, "high", "RDSARHigh"],
  [0xec,  8, "rw", "MaxTxPacketSize"],
  [0xf0, 32, "rw", "MISC"],
  [0xf1,  8, "rw", "MISC_0"],
  [0xf2,  8, "rw", "MISC_1"],
  [0xf3,  8, "rw", "MISC_2"],
  [0xf4, 32, "rw", "TimerInt3"],
  [0xf8,  8, "rw", "IBCR0"],
  [0xf9,  8, "rw", "IBCR2"],
  [0xfa,  8, "rw", "IBIMR0"],
  [0xfb,  8, "rw", "IBISR0"],
] as const satisfies readonly Row[];

/** Pairs of names that share bytes on purpose. */
const ALIASES = [
  "IntrStatus IntrStatus_0",
  "TimerInt1 TimerInt1_0",
  "TxConfig ChipId",
  "MISC MISC_0",
  "MISC MISC_1",
  "MISC MISC_2",
];
/** Registers of 8168DP, 8168E, 8168E-VL and 8168F at offsets where most chips have another register. */
const ONLY_SOME = ["OCPDR", "OCPAR", "RDSAR1", "SecMAC0", "SecMAC4", "At00b0"];

test("every register has the offset that the table above states", () => {
  const map: Map = { ...registers };
  for (const [offset, , , name] of PAGE) assert.equal(map[name], offset, name);
});

test("the table contains every register", () => {
  const listed: readonly string[] = PAGE.map(([, , , name]) => name);
  for (const [name, value] of Object.entries(registers))
    if (typeof value === "number" && name !== "FLAG") assert.ok(listed.includes(name), name);
  // The type of a row covers every register: this fails to compile if PAGE lacks one.
  const all: RegisterName extends (typeof PAGE)[number][3] ? true : never = true;
  assert.ok(all);
});

test("no two registers overlap, except documented aliases", () => {
  const owners = Array.from<string | undefined>({ length: 0x100 });
  for (const [offset, width, , name] of PAGE.filter(([, , , each]) => !ONLY_SOME.includes(each)))
    for (let at = offset; at < offset + width / 8; at++) {
      const owner = owners[at];
      if (owner !== undefined && !ALIASES.includes(`${owner} ${name}`))
        assert.fail(`${name} overlaps ${owner} at 0x${at.toString(16)}`);
      owners[at] ??= name;
    }
});
