import assert from "node:assert/strict";
import { test } from "node:test";
import { BITS, bitsOf, decode, type Fields, fieldsOf, fieldValue, isFlag } from "./bits.ts";
import { CHIPS, chipNamed } from "./chips.ts";
import { CAPABILITIES, HEADER, MSIX_ENTRY } from "./config-registers.ts";
import * as common from "./registers.ts";
import * as later from "./registers-8125.ts";
import * as pci from "./registers-8169.ts";

const tables: (readonly [string, Fields])[] = [
  ...Object.entries(BITS),
  ...CHIPS.flatMap((chip) =>
    ["RxConfig", "TxConfig", "Config2", "Config4", "Config5", "ISR_V2", "TDU_STA", "RDU_STA", "TPPOLL"].map(
      (name) => [`${name} of ${chip.key}`, fieldsOf(name, chip)!] as const,
    ),
  ),
  ...[HEADER, MSIX_ENTRY, ...Object.values(CAPABILITIES).map((capability) => capability.registers)].flatMap(
    (registers) => registers.flatMap(([, , name, fields]) => (fields === undefined ? [] : [[name, fields] as const])),
  ),
];

test("no two fields of a register overlap, and the bits of a field are contiguous", () => {
  for (const [name, fields] of tables) {
    let seen = 0;
    for (const [field, where] of Object.entries(fields)) {
      const bits = bitsOf(where);
      const shifted = bits >>> (31 - Math.clz32(bits & -bits));
      // The identification in TxConfig has a hole: bits 25:24 are the inter-frame gap.
      if (field !== "xid") assert.equal(shifted & (shifted + 1), 0, `${name}.${field} has a hole`);
      assert.notEqual(bits, 0, `${name}.${field} has no bits`);
      assert.equal(seen & bits, 0, `${name}.${field} overlaps another field`);
      seen |= bits;
    }
  }
});

test("every table of fields belongs to a register of a register map", () => {
  const names = [common, later, pci].flatMap((map) => Object.keys(map));
  for (const name of Object.keys(BITS))
    assert.ok(
      names.some((known) => known === name || known.replace(/\d+$/, "") === name),
      `${name} is in no register map`,
    );
});

test("`decode` returns the fields that are not 0, the highest first", () => {
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

test("a field's value is shifted down by the position of its lowest bit; only a field of one bit is a flag", () => {
  assert.equal(fieldValue(0xffff_ffff, 0xf000_0000 | 0), 15);
  assert.equal(isFlag(0x8000_0000 | 0), true);
  assert.equal(isFlag(3), false);
});

const of = (key: string, name: string): Fields => fieldsOf(name, chipNamed(key))!;

test("LEDSEL2 has the fields of LEDSEL, the 8125's RxConfig has fields of its own, and MAR0 has none", () => {
  assert.equal(of("rtl8125b", "LEDSEL2"), BITS["LEDSEL"]);
  assert.equal(of("rtl8125b", "RxConfig")["acceptBroadcast"], 1 << 3);
  assert.equal(of("rtl8125b", "RxConfig")["multipleFetch"], undefined);
  assert.equal(fieldsOf("MAR0", chipNamed("rtl8168h")), undefined);
});

/** Decodes a value of a chip's register into the names of its fields. */
const decoded = (key: string, name: string, value: number): string =>
  decode(value, of(key, name))
    .map(([field, content]) => (content === 1 ? field : `${field}=${content}`))
    .join(" ");

test("a bit whose meaning differs between chips has the right name on each chip", () => {
  const link = { rtl8125b: 21, "rtl8126a-649": 21, "rtl8125d-688": 18, rtl9151a: 18, rtl8125bp: 29, rtl8127a: 29 };
  for (const [key, bit] of Object.entries(link)) assert.equal(decoded(key, "ISR_V2", 1 << bit), "linkChange", key);
  assert.equal(decoded("rtl8125b", "ISR_V2", 1 << 18), "transmit1");
  assert.equal(decoded("rtl8125d-689", "ISR_V2", 1 << 17), "transmit1");
  assert.equal(decoded("rtl8125cp", "ISR_V2", 1 << 28), "transmit1");
  assert.equal(decoded("rtl8126a-64a", "ISR_V2", 3), "queue1 queue0");
  assert.equal(decoded("rtl8127a", "TPPOLL", 1 << 7), "queue7");
  assert.equal(decoded("rtl8125a", "ISR_V2", 1), "");
  assert.equal(decoded("rtl8126a-649", "RxConfig", 20 << 27), "fetch=20");
  assert.equal(decoded("rtl8168f-480", "RxConfig", 1 << 11), "");
  assert.equal(decoded("rtl8168g", "RxConfig", 1 << 11), "earlyOff");
  assert.equal(decoded("rtl8168g", "RxConfig", 1 << 24), "");
  assert.equal(decoded("rtl8168h", "RxConfig", 1 << 24), "descriptorsV2");
  assert.equal(decoded("rtl8168h", "IntrStatus3", 3), "receiveUnavailable receiveOk");
  assert.equal(decoded("rtl8169s", "RxConfig", 7 << 13), "fifoThreshold=7");
  assert.equal(decoded("rtl8168b", "TxConfig", 1 << 11), "");
  assert.equal(decoded("rtl8125b", "TxConfig", 1 << 6), "countsClosed");
  assert.equal(decoded("rtl8169s", "Config2", 1 << 5), "msi");
  assert.equal(decoded("rtl8168b", "Config4", 1 << 0), "jumbo");
});

test("RSS_CTRL has hash bits, the table size in bits 10:8, and the number of CPUs in bits 18:16", () => {
  const value = 1 | (7 << 8) | (2 << 16) | (1 << 11);
  assert.equal(decoded("rtl8125b", "RSS_CTRL", value), "cpus=2 udpIpv4 tableEntries=7 tcpIpv4");
});

const placesOf = (name: string): string =>
  Object.entries(BITS[name]!)
    .map(([field, bits]) => `${field} ${(bitsOf(bits) >>> 0).toString(16)}`)
    .join(", ");

// RTL8168 datasheets and FreeBSD if_rlreg.h; the MAC's and the PHY's OCP window: DPDK r8169_hw.c, r8169_phy.c.
test("the fields of the registers for indirect access are as in the datasheet", () => {
  assert.equal(placesOf("PHYAR"), "flag 80000000, register 1f0000, data ffff");
  assert.equal(placesOf("CSIAR"), "flag 80000000, function 70000, bytes f000, address fff");
  assert.equal(placesOf("ERIAR"), "flag 80000000, type 30000, bytes f000, address fff");
  assert.equal(placesOf("EPHYAR"), "flag 80000000, register 7f0000, data ffff");
  assert.equal(placesOf("OCPAR"), "flag 80000000, bytes f000, address fff");
  assert.equal(placesOf("EFUSEAR"), "flag 80000000, address 3ff00, data ff");
  for (const name of ["MACOCP", "PHYOCP"]) assert.equal(placesOf(name), "flag 80000000, address 7fff0000, data ffff");
  assert.equal(placesOf("Cfg9346"), "mode c0, select 8, clock 4, dataIn 2, dataOut 1");
  assert.equal(placesOf("IntrMitigate"), "transmitTime f000, transmitFrames f00, receiveTime f0, receiveFrames f");
});
