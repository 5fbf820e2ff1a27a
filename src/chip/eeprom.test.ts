/**
 * The serial EEPROM: the expected values were typed in from the RTL8169 register table (9346CR) and FreeBSD if_rlreg.h
 * (RL_EE_*, RL_EECMD_*).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ADDRESS_BITS, MAC_WORD, Pins, READ, SIGNATURE } from "./eeprom.ts";

test("the pins are EEM in bits 7:6, EECS, EESK, EEDI and EEDO in bits 3 to 0, and the station address begins in word 7", () => {
  const { mode, programming, select, clock, input, output } = Pins;
  assert.deepEqual([mode, programming, select, clock, input, output], [0xc0, 0x80, 8, 4, 2, 1]);
  assert.deepEqual([READ, [...ADDRESS_BITS], SIGNATURE, MAC_WORD], [6, [8, 6], 0x8129, 7]);
});
