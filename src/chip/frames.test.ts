/** What each chip can do with frames: the expected values were typed in, not copied from `frames.ts`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS, type Chip, chipNamed } from "./chips.ts";
import { type ChipFrames, type FrameFacts, framesOf } from "./frames.ts";

const of = (key: string): ChipFrames => framesOf(chipNamed(key)!);
const limits = (key: string): [number, boolean, boolean] => [
  of(key).longestFrame,
  of(key).checksumsJumbo,
  of(key).segmentsJumbo,
];
/** Keys of the chips whose facts satisfy a condition. */
const keys = (holds: (facts: FrameFacts) => boolean): string[] =>
  CHIPS.filter((chip: Chip) => holds(framesOf(chip))).map(({ key }) => key);

test("only the PCI chips, 8101E and 8168B have the first descriptor format, do not report the IP version and damage short frames", () => {
  const first = keys((facts) => facts.transmitFormat === 1);
  assert.deepEqual(
    first.toSorted(),
    ["rtl8101e", "rtl8110s", "rtl8168b", "rtl8169s", "rtl8169sb", "rtl8169sc-180", "rtl8169sc-980"].toSorted(),
  );
  assert.deepEqual(
    keys((facts) => !facts.reportsIpVersion),
    first,
  );
  assert.deepEqual(
    keys((facts) => facts.damagesShortFrames),
    first,
  );
});

test("the newest descriptors with a hash are format 2 on the 8168H, 3 on 8125A and 8125B, and 4 on all later chips; other chips have none", () => {
  assert.deepEqual(keys((facts) => facts.hashedFormat === 3).toSorted(), [
    "rtl8125a",
    "rtl8125b",
    "rtl8168kb",
    "rtl8168kb-609",
  ]);
  for (const chip of CHIPS) {
    const late = /^8125|^8126|^8127/.test(chip.die);
    const second = chip.die === "8168h" || chip.die === "8116af";
    assert.equal(framesOf(chip).hashedFormat === 2, second, chip.key);
    assert.equal(framesOf(chip).hashedFormat !== undefined, late || second, chip.key);
    assert.equal(framesOf(chip).stripsByRxConfig, late, chip.key);
  }
});

test("jumbo frames must be enabled from the 8168B to the 8168E, and not on earlier or later chips", () => {
  const switched = new Set(CHIPS.filter((chip) => framesOf(chip).jumbo !== undefined).map(({ die }) => die));
  assert.deepEqual([...switched].toSorted(), [
    "8168b",
    "8168c",
    "8168cp-3c8",
    "8168d-280",
    "8168d-281",
    "8168dp-28a",
    "8168dp-28b",
    "8168e",
  ]);
  assert.deepEqual(of("rtl8168b").jumbo, { config3: 0, config4: 1 });
  assert.deepEqual(of("rtl8168d-280").jumbo, { config3: 4, config4: 2 });
  assert.deepEqual(of("rtl8168dp-28a").jumbo, { config3: 4, config4: 0 });
  assert.deepEqual(of("rtl8168e-2c0").jumbo, { config3: 4, config4: 1 });
});

test("the longest frame, and whether checksum and segmentation offload work for jumbo frames, are as in C drivers", () => {
  assert.deepEqual(limits("rtl8169s"), [7164, true, true]);
  assert.deepEqual(limits("rtl8101e"), [1518, false, false]);
  assert.deepEqual(limits("rtl8168h"), [9212, false, false]);
  assert.deepEqual(limits("rtl8125b"), [16380, true, false]);
});

test("on the 8168E-VL, the 8125 and later, software must pad short frames, and checksums include the padding", () => {
  for (const chip of CHIPS) {
    const software = chip.die === "8168evl" || /^8125|^8126|^8127/.test(chip.die);
    assert.equal(framesOf(chip).padding, software ? "stale" : "zeros", chip.key);
    assert.equal(framesOf(chip).checksumsPadding, software, chip.key);
  }
});
