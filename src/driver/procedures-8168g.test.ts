/**
 * What each procedure writes, depending on the values that it reads. The simulated registers keep what is written to
 * them, except some that always read the same value.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ChipKey, chipNamed } from "#chip/chips.ts";
import type { Procedure } from "#chip/steps.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { hardwareOf } from "./hardware.ts";
import { PROCEDURES } from "./procedures.ts";

const FLAG = 0x8000_0000;
/**
 * The command words for the MAC controller, the PHY and the extended registers, and the data word of the extended
 * registers.
 */
const MAC = 0xb0;
const PHY = 0xb8;
const ERI = 0x74;
const ERI_DATA = 0x70;

/** Registers by space and address: `phy 0xc426`, `eri 0x20128` (type 2), `io 0xfb`. */
type Registers = Readonly<Record<string, number>>;

const at = (space: string, address: number): string => `${space} 0x${address.toString(16)}`;

/**
 * Runs a procedure.
 * @param reports registers that always read the given value
 * @param before initial values of other registers
 * @returns the last value written to each register, and the number of waits that expired
 */
const run = (
  key: ChipKey,
  name: Procedure,
  reports: Registers,
  before: Registers = {},
): { written: Registers; expired: number } => {
  const written: Record<string, number> = { ...before };
  const get = (register: string): number => reports[register] ?? written[register] ?? 0;
  const ocp = (space: string, word: number): number => get(at(space, (word >>> 15) & 0xfffe));
  const words = new Map<number, number>();
  const io = new Mmio({
    length: 256,
    read(offset) {
      const word = words.get(offset) ?? 0;
      if (offset === MAC) return ocp("mac", word);
      if (offset === PHY) return word >= FLAG ? 0 : FLAG + ocp("phy", word);
      if (offset === ERI) return word >= FLAG ? 0 : FLAG;
      if (offset === ERI_DATA) return get(at("eri", (words.get(ERI) ?? 0) & 0x3fff_0fff)) >>> 0;
      return get(at("io", offset));
    },
    write(offset, _width, value) {
      words.set(offset, value);
      const space = offset === MAC ? "mac" : "phy";
      if (offset === MAC || offset === PHY) {
        if (value >= FLAG) written[at(space, (value >>> 15) & 0xfffe)] = value & 0xffff;
      } else if (offset === ERI) {
        if (value >= FLAG) written[at("eri", value & 0x3fff_0fff)] = words.get(ERI_DATA) ?? 0;
      } else if (offset !== ERI_DATA) written[at("io", offset)] = value;
    },
  });
  const chip = chipNamed(key)!;
  const card = { io, clock: new VirtualClock(), chip };
  const hw = hardwareOf(card, chip.start);
  PROCEDURES[name](hw, 1500);
  return { written, expired: hw.expiredWaits.count };
};

/** OCP address 0xa460 is page 0xa46, register 16 (decimal); 0xa466: 0xa46, 19; 0xbcc4: 0xbcc, 18; 0xc41a: 0xc41, 21. */
const followed = (first: number, second: number): Registers =>
  run("rtl8168g", "followPhyStatus", { "phy 0xa460": first, "phy 0xa466": second }).written;
const bias = (top: number, rest: number): number | undefined =>
  run("rtl8168h", "biasFromFuses", { "mac 0xdd02": top, "mac 0xdd00": rest }).written["phy 0xbcfc"];
const length = (reported: number): number | undefined =>
  run("rtl8168h", "lengthForPairs", { "phy 0xbcdc": reported }).written["phy 0xbcde"];
const millisecond = (count: number): number | undefined =>
  run("rtl8168h", "calibrateMillisecond", { "phy 0xc426": count }).written["mac 0xd412"];
const fitted = (kind: number, medium: number, before: Registers): Registers =>
  run("rtl8117-54a", "fitPackage", { "mac 0xdc00": kind << 3, "eri 0xe4": medium << 16 }, before).written;

test("8168G: two PHY settings get the values of two status bits, one of them inverted", () => {
  assert.deepEqual(followed(0, 0), { "phy 0xbcc4": 1 << 15, "phy 0xc41a": 0 });
  assert.deepEqual(followed(1 << 8, 1 << 8), { "phy 0xbcc4": 0, "phy 0xc41a": 1 << 1 });
});

test("8168G: the other bits of both registers are preserved", () =>
  assert.deepEqual(
    run(
      "rtl8168g",
      "followPhyStatus",
      { "phy 0xa460": 1 << 8, "phy 0xa466": 0 },
      { "phy 0xbcc4": 0xffff, "phy 0xc41a": 0xffff },
    ).written,
    { "phy 0xbcc4": 0x7fff, "phy 0xc41a": 0xfffd },
  ));

test("8168H: the bias of the PHY's converters is assembled from fuses, and blank fuses change nothing", () => {
  assert.equal(bias(0xffff, 0xffff), undefined);
  // Bit 3 of the second word belongs to no fuse.
  assert.equal(bias(0x0080, 0xfff7), undefined);
  assert.equal(bias(0x0000, 0xffff), 0x7fff);
  assert.equal(bias(0x0080, 0x0000), 0x8000);
  assert.equal(bias(0, 0b001_0010_0011_0_0_100), 0x1234);
  assert.equal(bias(0, 1 << 4), 0x0008);
});

test("8168H: for each pair, the value that the PHY reports minus 3 is written, or 0 if that is negative", () =>
  assert.deepEqual([0, 3, 4, 0xfff4, 15].map(length), [0, 0, 0x1111, 0x1111, 0xcccc]));

test("8168H: a millisecond is 16 million divided by the oscillator's count, unless the count is 0", () => {
  assert.equal(millisecond(0), undefined);
  assert.equal(millisecond(0xc000), undefined);
  assert.equal(millisecond(8000), 2000);
  assert.equal(millisecond(7805), 2049);
  assert.equal(millisecond(0xc000 | 6000), 2666);
  assert.equal(millisecond(1000), 16_000 & 0xfff, "limited to twelve bits");
  assert.equal(millisecond(0x3fff), 976);
});

const DASH: Registers = { "eri 0x20128": 1, "eri 0x20120": 0x3_0000 };
const BASE_8168FP: Registers = { "eri 0x3dc20128": 1, "eri 0x3dc20120": 0x3_0000 };
for (const [key, name, dash] of [
  ["rtl8168ep", "stopManagementMac", DASH],
  ["rtl8117-54a", "stopManagementMac8168fp", BASE_8168FP],
] as const) {
  test(`${key}: the management controller's transmitter and receiver are stopped`, () => {
    const { written, expired } = run(key, name, { ...dash, "io 0xfb": 0x20 });
    assert.deepEqual(written, { "io 0xf9": 0, "io 0xfb": 0x20, "io 0xf8": 0 });
    assert.equal(expired, 0);
  });

  test(`${key}: a management controller that does not stop is reported after a tenth of a second`, () =>
    assert.equal(run(key, name, { ...dash, "io 0xfb": 0 }).expired, 1));

  test(`${key}: without management firmware nothing is written`, () => {
    const [enabled = "", version = ""] = Object.keys(dash);
    for (const reports of [{}, { [enabled]: 1 }, { [enabled]: 0xffff_ffff, [version]: 0xffff_ffff }])
      assert.deepEqual(run(key, name, reports), { written: {}, expired: 0 });
  });
}

test("8117: the settings of `fitPackage` depend on the package", () => {
  const on = { "io 0xd0": 0xc1, "io 0xf2": 0x41 };
  const off = { "io 0xd0": 0x01, "io 0xf2": 0x01 };
  const plain = { "mac 0xea80": 0, "mac 0xe052": 0, "eri 0x5f0": 0x4000 };
  assert.deepEqual(fitted(0, 0, off), { ...plain, ...on });
  assert.deepEqual(fitted(0xf, 0, off), { "mac 0xea80": 3, "mac 0xe052": 1, "eri 0x5f0": 0x4f00, ...on });
  // A chip with a SerDes instead of the PHY has no power saving.
  for (const medium of [0, 2]) assert.deepEqual(fitted(6, medium, on), { ...plain, ...off });
  assert.deepEqual(fitted(6, 1, off), { ...plain, ...on });
  // Other bits of the registers are preserved.
  const full = { "mac 0xe052": 0xffff, "eri 0x5f0": 0xffff_ffff };
  assert.deepEqual(fitted(0, 0, { ...full, ...off }), {
    "mac 0xea80": 0,
    "mac 0xe052": 0xfff6,
    "eri 0x5f0": 0xffff_4000,
    ...on,
  });
});
