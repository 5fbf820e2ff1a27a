import assert from "node:assert/strict";
import { test } from "node:test";
import { BITS, bitsOf, decode, type Fields, fieldsOf, fieldValue, isFlag } from "./bits.ts";
import { CAPABILITIES, HEADER, MSIX_ENTRY } from "./config-registers.ts";
import * as common from "./registers.ts";
import * as later from "./registers-8125.ts";
import * as pci from "./registers-8169.ts";

const tables: (readonly [string, Fields])[] = [
  ...Object.entries(BITS),
  ["RxConfig of the 8125", fieldsOf("RxConfig", true)!],
  ...[HEADER, MSIX_ENTRY, ...Object.values(CAPABILITIES).map((capability) => capability.registers)].flatMap(
    (registers) => registers.flatMap(([, , name, fields]) => (fields === undefined ? [] : [[name, fields] as const])),
  ),
];

test("no two fields of a register overlap, and the bits of a field lie together", () => {
  for (const [name, fields] of tables) {
    let seen = 0;
    for (const [field, where] of Object.entries(fields)) {
      const bits = bitsOf(where);
      const shifted = bits >>> (31 - Math.clz32(bits & -bits));
      // The identification in TxConfig leaves bits 24 and 25, in its middle, to the inter-frame gap.
      if (field !== "xid") assert.equal(shifted & (shifted + 1), 0, `${name}.${field} has a hole`);
      assert.notEqual(bits, 0, `${name}.${field} has no bits`);
      assert.equal(seen & bits, 0, `${name}.${field} overlaps another field`);
      seen |= bits;
    }
  }
});

test("every table belongs to a register of a map", () => {
  const names = [common, later, pci].flatMap((map) => Object.keys(map));
  for (const name of Object.keys(BITS))
    assert.ok(
      names.some((known) => known === name || known.replace(/\d+$/, "") === name),
      `${name} is in no map`,
    );
});

test("tells the fields that are not 0, highest first", () => {
  assert.deepEqual(decode(0x0c, BITS["ChipCmd"]!), [
    ["receiveEnable", 1],
    ["transmitEnable", 1],
  ]);
  assert.deepEqual(decode(0x8000_1234 | (0xa43 << 19), BITS["PHYOCP"]!), [
    ["flag", 1],
    ["address", 0xa430],
    ["data", 0x1234],
  ]);
  assert.deepEqual(decode(0, BITS["IntrStatus"]!), []);
});

test("a field's value starts at its lowest bit, and flags are single bits", () => {
  assert.equal(fieldValue(0xffff_ffff, 0xf000_0000 | 0), 15);
  assert.equal(isFlag(0x8000_0000 | 0), true);
  assert.equal(isFlag(3), false);
});

test("registers of a run share their table, and the 8125 has its own RxConfig", () => {
  assert.equal(fieldsOf("LEDSEL2", true), BITS["LEDSEL"]);
  assert.equal(fieldsOf("RxConfig", true)?.["acceptBroadcast"], 1 << 3);
  assert.equal(fieldsOf("RxConfig", true)?.["multipleFetch"], undefined);
  assert.equal(fieldsOf("MAR0", false), undefined);
});
