/**
 * The driver's register accesses from probe to link are those that were recorded before its start-up values became data, but
 * for the corrections named here. Files in `start-up/`: an access a line, `r8 37 10` a read of 8 bits at 0x37.
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
  /** Consecutive accesses, and what is in their place, wherever they occur. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

const CORRECTIONS: readonly Correction[] = [
  {
    because: "SYSErr is an interrupt that is waited for: it needs a reset",
    of: KEYS,
    before: ["w16 3c 2f"],
    after: ["w16 3c 802f"],
  },
  {
    because: "the receive filter is set once, when the station address and the multicast hash are in place",
    of: ["rtl8168h", "rtl8168m", "rtl8107e"],
    before: ["w32 44 cf0a"],
    after: [],
  },
  {
    because: "the receive filter is set once, when the station address and the multicast hash are in place",
    of: ["rtl8139cp"],
    before: ["w32 44 e70a"],
    after: [],
  },
  {
    because: "extended register 0x1d0 bit 1 is left alone on the 8168M (DPDK, CFG_METHOD_37)",
    of: ["rtl8168m"],
    before: ["w32 74 f1d0", "r32 74 8000f1d0", "r32 70 0", "w32 70 2", "w32 74 8000f1d0", "r32 74 f1d0"],
    after: [],
  },
  {
    because: "MAC-OCP 0xdc00 and 0xd006 tell the RTL8116af and two steppings of the 8168H from the rest",
    of: ["rtl8168h"],
    before: ["r32 40 54100800", "w16 3c 0"],
    after: [
      "r32 40 54100800",
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
    because: "the station address is looked for in extended register 0xe0 first: IDR may hold what another system left",
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
    because: "the station address is read and checked, and kept to be restored at the end",
    of: ["rtl8139cp"],
    before: ["w8 37 10", "r8 37 0", "w16 3c 0"],
    after: ["w8 37 10", "r8 37 0", "r32 0 2", "r32 4 100", "r32 0 2", "r32 4 100", "w16 3c 0"],
  },
];

const recorded = (key: string): readonly string[] =>
  readFileSync(join(import.meta.dirname, "start-up", `${key}.txt`), "utf8")
    .trimEnd()
    .split("\n");

/** Joined so that a line's end is part of it: no access is found inside another. */
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
  test(`${key} is started with the recorded accesses, but for the named corrections`, () => {
    assert.equal(joined(recordStart(key)), corrected(key));
  });
