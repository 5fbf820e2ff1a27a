/**
 * Queues by chip: the expected values were typed in from DPDK `drivers/net/r8169` (r8169_hw.c, r8169_rxtx.c,
 * r8169_ethdev.c).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHIPS, type Chip } from "./chips.ts";
import * as registers from "./registers-8125.ts";

/** For each HwSuppTxNoCloseVer: addresses of the tail and close pointers, and their distance from queue to queue. */
const VERSION = { 3: [0x2800, 0x2802, 4], 5: [0x2800, 0x2800, 4], 6: [0xd30, 0xd34, 8] } as const;
/** For each HwSuppIntMitiVer: the end of the moderation blocks. */
const BLOCKS_END = { 3: 0xb00, 4: 0xa80, 5: 0xa80, 6: 0xb00 } as const;
// prettier-ignore
// oxfmt-ignore
const TABLE = [
  // key, TxNoClose, IntMiti
  ["rtl8125a",      3, 3],
  ["rtl8168kb-609", 3, 3],
  ["rtl8125b",      3, 4],
  ["rtl8168kb",     3, 4],
  ["rtl8125bp",    6, 6],
  ["rtl8125d-688", 6, 6],
  ["rtl8125d-689", 6, 6],
  ["rtl8125k",     6, 6],
  ["rtl8168kd",    6, 6],
  ["rtl8125cp",    6, 6],
  ["rtl9151a",     6, 6],
  ["rtl9151as",    6, 6],
  ["rtl8126a-649", 5, 5],
  ["rtl8126a-64a", 5, 5],
  ["rtl8127a",     6, 6],
] as const;

for (const [key, pointers, moderation] of TABLE)
  test(`${key} has its ring pointers and moderation blocks where DPDK has them`, () => {
    const queues = CHIPS.find((chip) => chip.key === key)!.profile.queues;
    const { tail, close, step, bytes } = queues.pointers!;
    assert.deepEqual([tail, close, step], VERSION[pointers]);
    assert.equal(bytes, pointers === 3 ? 2 : 4);
    assert.equal(registers.INT_MITI[0]! + 8 * queues.moderationBlocks, BLOCKS_END[moderation]);
  });

const multigigabit = (chip: Chip): boolean => chip.profile.registers.includes("multigigabit");

test("the table above lists every chip from RTL8125 on", () => {
  const keys = CHIPS.filter(multigigabit).map(({ key }) => key);
  assert.deepEqual(TABLE.map(([key]) => key as string).toSorted(), keys.toSorted());
});

test("the registers of every queue are in the register map", () => {
  for (const chip of CHIPS) {
    const { receive, transmit, pointers } = chip.profile.queues;
    assert.ok(registers.RDSAR_Q.length >= 2 * (receive - 1), chip.key);
    assert.ok(registers.TNPDS_Q1.length >= 2 * (transmit - 1), chip.key);
    if (pointers === undefined) continue;
    const tails = [...registers.SW_TAIL_PTR, ...registers.TX_PTR_V4, ...registers.SW_TAIL_PTR_V6] as readonly number[];
    for (let queue = 0; queue < transmit; queue++) assert.ok(tails.includes(pointers.tail + pointers.step * queue));
  }
});

// r8168_n.c of Realtek's own driver for Linux: HwSuppNumRxQueues, hw_supp_irq_nvecs, rtl8168_get_rxdesc.
test("chips before RTL8125 have one ring for each direction; four queues of the RTL8168H alternate in its receive ring", () => {
  const alternating = [];
  for (const chip of CHIPS) {
    const { receive, transmit, rings, vectors, vectored, pointers } = chip.profile.queues;
    if (rings === "alternating") alternating.push(chip.key);
    if (multigigabit(chip)) continue;
    assert.deepEqual([transmit, vectored, pointers], [1, undefined, undefined]);
    assert.deepEqual([receive, vectors], rings === "alternating" ? [4, 4] : [1, 1]);
  }
  const dies = ["rtl8107e", "rtl8116af", "rtl8168h-100", "rtl8168h-300", "rtl8168h", "rtl8168m"];
  assert.deepEqual(alternating, dies);
});

test("no two vectored events of a chip share a bit, except the two directions of a queue where they share one by design", () => {
  for (const chip of CHIPS) {
    const { vectored, receive, transmit } = chip.profile.queues;
    if (vectored === undefined) continue;
    const receiving = Array.from({ length: receive }, (_, i) => vectored.receive + i);
    const sending = Array.from({ length: transmit }, (_, i) => vectored.transmit + vectored.transmitStep * i);
    const shared = vectored.transmit === vectored.receive;
    const all = shared ? [...receiving, vectored.linkChange] : [...receiving, ...sending, vectored.linkChange];
    assert.equal(new Set(all).size, all.length, chip.key);
    assert.ok(all.every((bit) => bit < 32));
  }
});

/**
 * Number of receive queues, transmit queues and vectors; in the vectored status, the bit of receive queue 0, the bit of
 * transmit queue 0 with the step to the next, and the bit of a link change; the moderation unit in µs.
 */
// prettier-ignore
// oxfmt-ignore
const VECTORED = {
  "8125a":  "1 1 4 - 2.048",
  "8125b":  "4 2 32 0 16+2 21 2.048",
  "8125bp": "4 2 32 0 0+1 29 4.096",
  "8125cp": "4 2 32 0 27+1 29 masks itself 4.096",
  "8125d":  "4 2 32 0 16+1 18 4.096",
  "8126":   "4 2 32 0 0+1 21 2.048",
  "8127":   "8 8 32 0 8+1 29 masks itself 4.096",
} as const;

test("the number of queues, the vectored status bits and the moderation unit of each die from RTL8125 on", () => {
  const found = (CHIPS as readonly Chip[]).filter(multigigabit).map(({ die, profile: { queues } }) => {
    const { receive, transmit, vectors, vectored: v, moderationMicros } = queues;
    const masks = v?.masksItself === true ? " masks itself" : "";
    const status = v === undefined ? "-" : `${v.receive} ${v.transmit}+${v.transmitStep} ${v.linkChange}${masks}`;
    return [die, `${receive} ${transmit} ${vectors} ${status} ${moderationMicros}`] as const;
  });
  assert.deepEqual(Object.fromEntries(found), VECTORED);
});
