import assert from "node:assert/strict";
import { test } from "node:test";
import { complaintsOf } from "./kernel-log.ts";

const report = (...trace: readonly string[]): readonly string[] => [
  "[    6.687402] ------------[ cut here ]------------",
  "[    6.687458] WARNING: CPU: 0 PID: 171 at kernel/time/timekeeping.c:1005 ktime_get_seconds+0x1b/0x30",
  "[    6.687740] Modules linked in: r8169 realtek mdio_devres libphy",
  ...trace.map((name) => `[    6.690095]  ${name}+0x44/0x50`),
  "[    6.690980] ---[ end trace 0000000000000000 ]---",
];
const WAKING = report("crng_make_state", "acpi_pci_link_set", "irqrouter_resume", "syscore_resume");
const OURS = report("rtl_open", "dev_open");
const LINE = "[    7.000000] r8169 0000:00:03.0 eth0: rtl_chipcmd_cond == 1 (loop: 100, delay: 100).";

test("a report of a known kernel flaw is ignored; other lines are complaints", () => {
  assert.deepEqual(complaintsOf([LINE, ...WAKING, LINE]), [LINE, LINE]);
});

test("another kernel report is a complaint, even next to an ignored one", () => {
  assert.deepEqual(complaintsOf([...OURS, ...WAKING, ...OURS]), [...OURS, ...OURS]);
  assert.deepEqual(complaintsOf([...OURS, ...report("irqrouter_resume").slice(3)]).length, OURS.length + 2);
});

test("an incomplete kernel report is a complaint", () => {
  assert.deepEqual(complaintsOf(WAKING.slice(0, -1)), WAKING.slice(0, -1));
});

test("messages of a busy guest and allowed messages are ignored", () => {
  assert.deepEqual(complaintsOf(["[ 1.0] hrtimer: interrupt took 5 ns", LINE], [/rtl_chipcmd_cond/]), []);
  assert.deepEqual(complaintsOf([]), []);
});
