/** Tests that start-up sequences are legal: each address exists on its bus, and each value fits its register. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LEGACY_CHIPS, CHIPS, type Chip } from "./chips.ts";
import { STARTS } from "./starts.ts";
import type { Space, Step, Word } from "./steps.ts";

interface Bus {
  /** Whether the address exists on this chip's bus. */
  readonly legal: (chip: Chip, address: number) => boolean;
  readonly bits: 8 | 16 | 32;
}

const EPHY_REGISTERS = { none: 0, flat64: 0x40, flat128: 0x80, banked: 0x40, paged: 0x80 } as const;
const inWindow = (bytes: number) => (chip: Chip, at: number) =>
  at % bytes === 0 && at + bytes <= chip.profile.function.windowBytes;
const isEven = (at: number): boolean => at % 2 === 0 && at <= 0xfffe;

const BUSES: Readonly<Record<Space, Bus>> = {
  io8: { legal: inWindow(1), bits: 8 },
  io16: { legal: inWindow(2), bits: 16 },
  io32: { legal: inWindow(4), bits: 32 },
  mac: { legal: (chip, at) => chip.profile.macOcp !== "none" && isEven(at), bits: 16 },
  eri: { legal: (chip, at) => chip.bus === "pcie" && at % 4 === 0 && at <= 0xffc, bits: 32 },
  // The RTL9151 does not support this access (DPDK rtl_csi_other_fun_read).
  csi: {
    legal: ({ bus, name }, at) => bus === "pcie" && !name.startsWith("RTL9151") && at % 4 === 0 && at <= 0xffc,
    bits: 32,
  },
  ephy: { legal: (chip, at) => at < EPHY_REGISTERS[chip.profile.pciePhy], bits: 16 },
  phy: { legal: (chip, at) => chip.profile.phyAccess === "ocp" && isEven(at), bits: 16 },
};
/** Registers of a page: the clause 22 registers on page 0; 16 to 23 on other pages of an OCP PHY. */
const onPage =
  (page: number): Bus["legal"] =>
  (chip, at) => {
    const lowest = page === 0 || chip.profile.phyAccess !== "ocp" ? 0 : 16;
    const highest = page === 0 || chip.profile.phyAccess !== "ocp" ? 30 : 23;
    return page <= 0xfff && at >= lowest && at <= highest;
  };

const busOf = (step: Step & { words: readonly Word[] }): Bus => {
  if ("on" in step) return BUSES[step.on];
  if ("page" in step) return { legal: onPage(step.page), bits: 16 };
  if ("extension" in step) return { legal: onPage(7), bits: 16 };
  return { legal: (_chip, at) => at <= 0xffff, bits: 16 };
};

const complaints = (chip: Chip, step: Step): string[] => {
  if ("withFirmware" in step) return step.withFirmware.flatMap((inner) => complaints(chip, inner));
  if (!("words" in step))
    return "wait" in step && !(step.wait > 0 && step.wait <= 1_000_000) ? [`waits ${step.wait}`] : [];
  const { legal, bits } = busOf(step);
  const fits = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < 2 ** bits;
  return step.words.flatMap(([address, ...change]) => [
    ...(Number.isInteger(address) && address >= 0 && legal(chip, address) ? [] : [`address 0x${address.toString(16)}`]),
    ...(change.every((value) => fits(value >>> 0)) ? [] : [`a value of 0x${address.toString(16)} is too wide`]),
    // A read-modify-write must clear or set at least one bit.
    ...(change.length === 2 && change[0] === 0 && change[1] === 0 ? [`0x${address.toString(16)} changes nothing`] : []),
  ]);
};

for (const chip of [...CHIPS, ...LEGACY_CHIPS] as readonly Chip[]) {
  const { start } = chip;
  test(`the start-up values of ${chip.key} are legal on its buses`, () => {
    assert.deepEqual(
      [...start.mac, ...start.phy, ...Object.values(start.linkUp ?? {}).flat()].flatMap((step) =>
        complaints(chip, step),
      ),
      [],
    );
  });
}

test("a start-up sequence that checks whether the PHY is ready for firmware compares with the value of the chip's own PHY", () => {
  for (const chip of [...CHIPS, ...LEGACY_CHIPS] as readonly Chip[]) {
    const steps = chip.start.phy;
    const asked = steps.flatMap((step) => ("firmware" in step && step.when !== undefined ? [step.when.word] : []));
    const { ready } = chip.profile.phy;
    if (steps.length > 0) assert.deepEqual(asked, ready === undefined ? [] : [[0x001b, ready]], chip.key);
  }
});

test("every start-up sequence belongs to a chip", () => {
  const keys = [...CHIPS, ...LEGACY_CHIPS].map(({ key }) => key);
  assert.deepEqual(
    Object.keys(STARTS).filter((key) => !keys.includes(key)),
    [],
  );
});

/** A source whose licence allows its values to be used, or an observation of a driver's writes. */
const SOURCE =
  /\bSource: .*(\(BSD-([23]-Clause|4-Clause[^)]*; values only\))|observed: Linux \d[\d.]+'s r8169 on the model, by)/;

test("every file of start-up values names its source", () => {
  const folder = join(import.meta.dirname, "start");
  const files = readdirSync(folder);
  assert.ok(files.length > 0);
  for (const file of files) {
    const [header = ""] = readFileSync(join(folder, file), "utf8").split("*/");
    assert.match(header.replaceAll(/\s*\n \*\s*/g, " "), SOURCE, file);
  }
});

test("the check finds an address that a bus does not have, and a value too wide for its register", () => {
  const chip: Chip = CHIPS.find(({ key }) => key === "rtl8168h")!;
  const bad: readonly Step[] = [
    { on: "ephy", words: [[0x40, 1]] },
    { on: "eri", words: [[0xd2, 1]] },
    { on: "mac", words: [[0xe0d7, 1]] },
    { on: "io32", words: [[0x1000, 1]] },
    { on: "io8", words: [[0x50, 0x100]] },
    { page: 0xa43, words: [[24, 1]] },
    { on: "mac", words: [[0xe0d6, 0, 0]] },
    { wait: 2_000_000 },
  ];
  for (const step of bad) assert.equal(complaints(chip, step).length, 1, JSON.stringify(step));
});
