import assert from "node:assert/strict";
import { test } from "node:test";
import { plain } from "../terminal/terminal.ts";
import { around, madeUp } from "./comparison.test-kit.ts";
import type { Comparison } from "./result.ts";
import { comparisonLines, WIDTH } from "./text.ts";

const lines = (found: Comparison): readonly string[] => comparisonLines(found, { paint: plain });

test("no line is wider than a hundred columns, however many columns a table has", () => {
  const found = lines(madeUp());
  assert.deepEqual(
    found.filter((line) => line.length > WIDTH),
    [],
  );
  assert.equal(found.filter((line) => /^driver +64 B/.test(line)).length, 3);
  assert.equal(
    found.filter((line) => /^driver.* mix$/.test(line)).length,
    3,
    "the sizes that do not fit are in a second part of the table",
  );
});

test("a ratio is shown with quartiles, with a third decimal where 2 % matter, and with the reference's name", () => {
  const text = lines(madeUp()).join("\n");
  assert.match(text, /^safe Rust +0\.83 \(0\.82-0\.85\)/m);
  assert.match(text, /^Ferrule over Link +1\.000 \(0\.999-1\.001\)/m);
  assert.match(text, /^Ferrule by turnaround +safe Rust +1\.10 \(1\.08-1\.12\)/m);
});

test("frames missed, lost, doubled, reordered and damaged are summed over all rows of a driver", () => {
  const { throughput } = madeUp();
  const lossy = throughput.map((row, i) =>
    row.peer === "link" ? { ...row, lost: i === 0 ? 0 : 1, doubled: 2, missed: 3 } : row,
  );
  const own = throughput.filter(({ peer }) => peer === "link").length;
  assert.match(
    lines(madeUp({ throughput: lossy })).join("\n"),
    new RegExp(`^Ferrule over Link +${own},000,000 +${3 * own} +${own} +${2 * own} +0 +0 +0$`, "m"),
  );
});

test("the worst line rate is that with the lowest ratio", () => {
  const throughput = madeUp().throughput.map((row) =>
    row.peer === "link" && row.rate === 5000 ? { ...row, ratio: around(0.9, 0) } : row,
  );
  assert.match(lines(madeUp({ throughput })).join("\n"), /^Ferrule over Link +\S+ \S+ +0\.900 \(0\.900-0\.900\)/m);
});

test("missing drivers, what was not covered, the machine with its load and the command are named", () => {
  const text = lines(madeUp({ quick: true })).join(" ");
  assert.match(text, /DPDK net_r8169: DPDK is not installed\. sudo apt-get install librte-net-r8169-25/);
  assert.match(text, /Not covered Linux's own r8169 in a guest/);
  assert.match(text, /2 virtual cores.*load average 0\.1 before, 1\.2 after/);
  assert.match(text, /ferrule compare --quick$/);
});

test("a part that was not measured has no table", () => {
  const text = lines(madeUp({ throughput: [], latency: [], sameThread: [] })).join("\n");
  assert.doesNotMatch(text, /Throughput|Latency|In short|against/);
  assert.match(text, /^Known faults of the C driver$/m);
  assert.doesNotMatch(text, /undefined|NaN/);
});

test("the text begins with warnings about a busy machine and a quick run", () => {
  const { machine } = madeUp();
  const text = lines(madeUp({ quick: true, machine: { ...machine, loadBefore: 9 } })).join(" ");
  assert.match(text, /^The machine had other work \(load average 9\.0 .* A quick run has .* In short /);
});
