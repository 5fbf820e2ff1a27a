/** Link reports: every stable state is reported; a link that changes often is reported at a limited rate. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LINK_DOWN, type LinkState } from "#driver/phy.ts";
import { VirtualClock } from "#kit/clock.ts";
import { LinkReport, REPORT_MICROS } from "./link-report.ts";

const UP: LinkState = { ...LINK_DOWN, up: true, speed: 1000, fullDuplex: true };

const open = (): { clock: VirtualClock; report: LinkReport; reports: LinkState[] } => {
  const clock = new VirtualClock();
  const reports: LinkState[] = [];
  return { clock, report: new LinkReport(clock, (link) => reports.push(link)), reports };
};

test("the first change is reported at once, and only once", () => {
  const { report, reports } = open();
  report.changed(UP);
  report.changed(UP);
  report.flush();
  assert.deepEqual(reports, [UP]);
});

test("ten thousand flaps in a second make at most ten reports, and the last state is reported", () => {
  const { clock, report, reports } = open();
  for (let i = 0; i < 10_000; i++) {
    report.changed(i % 2 === 0 ? UP : LINK_DOWN);
    clock.delay(100);
  }
  assert.ok(reports.length <= 1e6 / REPORT_MICROS, `${reports.length} reports`);
  report.changed(UP);
  clock.delay(REPORT_MICROS);
  report.flush();
  assert.deepEqual(reports.at(-1), UP);
  assert.equal(report.changes, 10_001);
});

test("a flap that ends before it can be reported is counted but not reported", () => {
  const { clock, report, reports } = open();
  report.changed(UP);
  report.changed(LINK_DOWN);
  report.changed(UP);
  clock.delay(REPORT_MICROS);
  report.flush();
  assert.deepEqual(reports, [UP]);
  assert.equal(report.changes, 3);
});
