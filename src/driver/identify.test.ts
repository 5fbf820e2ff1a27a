/** After a removal, the card that responds must have the same chip as before. The registers are simulated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChipId, TxConf } from "#chip/registers.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { responds } from "./identify.ts";

const RTL8168H = 0x541;
const RTL8168G = 0x4c0;

const answersWith = (txConfig: number): boolean => {
  const read = (offset: number): number => (offset === ChipId ? txConfig >>> 0 : 0);
  return responds(RTL8168H, new Mmio({ length: 4096, read, write: () => {} }), 0x8168, new VirtualClock());
};

test("a removed card is back if the registers show the same chip, and not if they read all ones; another chip is rejected", () => {
  assert.equal(answersWith(RTL8168H << TxConf.xidShift), true);
  assert.equal(answersWith(0xffff_ffff), false);
  assert.throws(() => answersWith(RTL8168G << TxConf.xidShift), { code: "CHANGING_IDENTIFICATION" });
});
