/**
 * Each die's record: writable bits of RxConfig and TxConfig, dump of the counters, timers. The expected values were
 * typed in, not copied from `profiles.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PROFILES } from "./profiles.ts";

/** RxConfig and TxConfig in hexadecimal, length of the dump, whether counters are clearable, number of timers; dies. */
// prettier-ignore
// oxfmt-ignore
const DIES = [
  ["0101e73f 03070700  64 -         1", "8139cp 8169s 8169"],
  ["0000e73f 03070700  64 -         1", "8168b 8101 8401 8102 8168cp-3c8"],
  ["0000e73f 03070700  64 clearable 1", "8168c 8168d-280 8168d-281 8168dp-28a 8168dp-28b 8168e 8105 8106"],
  ["0000e73f 03070780  64 clearable 1", "8168evl 8402 8168f-480 8168f"],
  ["0000ef3f 03070780  64 clearable 1", "8168g 8168ep"],
  ["0100ef3f 03070780  64 clearable 1", "8168h 8116af"],
  ["f9e0ef3f 030707c0 192 clearable 4", "8125a 8125b 8125bp 8125cp 8125d 8126 8127"],
] as const;

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");

test("each die has the writable bits, the counter dump and the timers of its generation", () => {
  const found = Object.entries(PROFILES).map(([die, { rxConfig, txConfig, tally, timers }]) => {
    const dump = `${String(tally.bytes).padStart(3)} ${(tally.clearable ? "clearable" : "-").padEnd(9)}`;
    return `${die}: ${hex(rxConfig)} ${hex(txConfig)} ${dump} ${timers}`;
  });
  const expected = DIES.flatMap(([facts, dies]) => dies.split(" ").map((die) => `${die}: ${facts}`));
  assert.deepEqual(found.toSorted(), expected.toSorted());
});
