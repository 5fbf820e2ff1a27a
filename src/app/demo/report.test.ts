import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { plain } from "../terminal/terminal.ts";
import { FACTS, statisticsOf } from "../terminal/terminal.test-kit.ts";
import type { Statistics } from "../counters.ts";
import { buildReport, type Measured, reportLines, failures, summarisePings } from "./report.ts";

const TRANSFER = {
  direction: "wire-to-host",
  bytes: 2 ** 30,
  sha256Sent: "ab".repeat(32),
  sha256Received: "ab".repeat(32),
  seconds: 2,
  bitsPerSecond: 4_294_967_296,
} as const;

const report = (given: Partial<Measured> = {}, counters: Partial<Statistics> = {}) =>
  buildReport(
    { rig: "tap", rigReason: null, facts: FACTS, ping: summarisePings(2, [100, 80]), transfers: [TRANSFER], ...given },
    statisticsOf({ sentFrames: 600, receivedFrames: 400, interrupts: 50, ...counters }),
  );

test("round trip times are summarised by nearest rank", () => {
  const micros = Array.from({ length: 100 }, (_, i) => 100 - i);
  assert.deepEqual(summarisePings(100, micros), {
    sent: 100,
    received: 100,
    minMicros: 1,
    medianMicros: 50,
    p99Micros: 99,
    maxMicros: 100,
  });
  assert.equal(summarisePings(3, []).medianMicros, null);
});

test("a successful run has no failures", () => assert.deepEqual(failures(report()), []));

const wrong = (given: Partial<Measured>, counters?: Partial<Statistics>): string =>
  failures(report(given, counters)).join("; ");

test("losses, errors, offences and a link that is down are reported as failures", () => {
  assert.equal(wrong({ ping: summarisePings(3, [1, 2]) }), "1 of 3 pings were not answered");
  assert.equal(
    wrong({ transfers: [{ ...TRANSFER, sha256Received: "cd".repeat(32) }] }),
    "wire to host: received data differs from sent data",
  );
  assert.equal(wrong({ transfers: [] }), "nothing was transferred");
  for (const counter of ["sendDrops", "receiveDrops", "wireDrops", "missedFrames"] as const)
    assert.equal(wrong({}, { [counter]: 2 }), "2 frames dropped", counter);
  for (const counter of ["receiveErrors", "deviceNonsense"] as const)
    assert.equal(wrong({}, { [counter]: 1 }), "1 error", counter);
  assert.equal(wrong({}, { offences: 1 }), "the model's strict mode found 1 offence");
  assert.equal(wrong({}, { linkUp: 0 }), "the link was down at the end");
});

/** The fields that docs/demo.md lists: the code in the first column of its table. */
const documented = (): string[] => {
  const page = readFileSync(new URL("../../../docs/demo.md", import.meta.url), "utf8");
  const cells = [...page.matchAll(/^\| (`[^|]*) \|/gm)].map(([, cell]) => cell!);
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)/g)].map(([, name]) => name!));
};

test("the JSON form has the fields that docs/demo.md lists", () => {
  const json = JSON.parse(JSON.stringify(report())) as Record<string, unknown>;
  assert.deepEqual(Object.keys(json), documented());
  assert.equal(json["xid"], "541");
  assert.equal(json["framesPerInterrupt"], 20);
});

test("the text of a report has chip, pings, transfers, garbage collections and the result", () => {
  const text = reportLines(report({}, { gcPauses: 1, gcMicros: 1500 }), { paint: plain }).join("\n");
  assert.match(text, /^chip +RTL8168h\/8111h \(XID 541\)/);
  assert.match(text, /ping +2 of 2 answered; min 80 µs, median 80 µs, p99 100 µs, max 100 µs/);
  assert.match(text, /wire to host +1\.00 GiB in 2\.00 s, 4\.29 Gbit\/s, SHA-256 abababababab… at both ends/);
  assert.match(text, /GC pauses +driver 1 \(1\.5 ms\), model 0 \(0\.0 ms\)/);
  assert.match(text, /All data arrived unchanged\.$/);
});
