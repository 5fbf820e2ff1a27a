import assert from "node:assert/strict";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { madeUp } from "./comparison.test-kit.ts";
import { NotAComparison, OtherVersion, parseComparison, parseMeasurement, readComparison } from "./read-comparison.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "ferrule-comparison-"));
after(() => rmSync(FOLDER, { recursive: true, force: true }));

type Json = Record<string, unknown>;

/** The comparison as JSON with one field replaced, or without that field if `value` is undefined. */
const changed = (path: readonly (string | number)[], value: unknown): string => {
  const document = JSON.parse(JSON.stringify(madeUp())) as Json;
  const parent = path.slice(0, -1).reduce<Json>((at, name) => at[name] as Json, document);
  parent[path.at(-1)!] = value;
  return JSON.stringify(document);
};

/** The field that the error names. */
const wrongField = (json: string): string => {
  try {
    parseComparison(json, "x.json");
  } catch (error) {
    assert.ok(error instanceof NotAComparison, String(error));
    assert.match(error.message, /^x\.json is not a comparison: /);
    return error.field;
  }
  return "none";
};

test("a comparison that was written is read back unchanged", () => {
  const found = madeUp();
  const path = join(FOLDER, "good.json");
  writeFileSync(path, JSON.stringify(found));
  assert.deepEqual(readComparison(path), found);
});

test("fields that are not known are left out", () => {
  assert.deepEqual(parseComparison(changed(["machine", "name"], "x"), "x"), madeUp());
});

test("the first field that is missing or wrong is named", () => {
  for (const [path, value, field = path.join(".").replaceAll(/\.(\d+)/g, "[$1]")] of [
    [["taken"], "yesterday"],
    [["taken"], undefined],
    [["quick"], "no"],
    [["seconds"], -1],
    [["machine"], []],
    [["machine", "cores"], 0],
    [["machine", "loadAfter"], null],
    [["peers"], {}],
    [["peers", 1, "language"], "Go"],
    [["peers", 1, "key"], "minimal-c"],
    [["peers", 7, "missing"], { why: "x" }, "peers[7].missing.install"],
    [["throughput", 3, "ns", "q1"], "x"],
    [["throughput", 3, "ns", "q1"], 1e9, "throughput[3].ns"],
    [["throughput", 0, "rate"], "slow"],
    [["throughput", 0, "bytes"], 64.5],
    [["throughput", 0, "lost"], -1],
    [["throughput", 0, "peer"], "nobody"],
    [["throughput", 0, "peer"], "dpdk"],
    [["latency", 0, "histogram", 2], [1]],
    [["latency", 0, "histogram", 2, 0], 1],
    [["latency", 0, "histogram", 2, 1], 0, "latency[0].histogram"],
    [["latency", 0, "ratio", "p999"], undefined],
    [
      ["sameThread", 0, "against"],
      [{ peer: "x", ratio: { q1: 1, median: 1, q3: 1 } }],
      "sameThread[0].against[0].peer",
    ],
    [["notCovered"], [""], "notCovered[0]"],
    [["facts"], undefined],
    [["facts", "faults", 0, "tested"], "3"],
    [["version"], undefined],
    [["version"], "1"],
  ] as const satisfies readonly (readonly [readonly (string | number)[], unknown, string?])[])
    assert.equal(wrongField(changed(path, value)), field);
});

test("a document of another form is refused as a whole", () => {
  for (const json of ["", "{", "[]", "null", "1", '"x"']) assert.equal(wrongField(json), "", json);
});

test("a comparison of another version is refused as such, whatever its fields are", () => {
  assert.throws(
    () => parseComparison('{ "version": 2 }', "x.json"),
    (error) => error instanceof OtherVersion && error.version === 2 && error.message.endsWith("reads version 1"),
  );
});

test("a measurement needs no facts about the sources", () => {
  const json = changed(["facts"], undefined);
  assert.equal(parseMeasurement(json, "x").throughput.length, madeUp().throughput.length);
  assert.equal(wrongField(json), "facts");
});

test("a missing file, a folder, and a file that is too large are refused", () => {
  const large = join(FOLDER, "large.json");
  writeFileSync(large, "");
  truncateSync(large, (64 << 20) + 1);
  for (const path of [join(FOLDER, "none.json"), FOLDER, large, "/dev/zero"])
    assert.throws(() => readComparison(path), NotAComparison, path);
});
