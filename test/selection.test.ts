/** Tests that the scripts of package.json run all tests, each once. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };

const found = (...patterns: readonly string[]): readonly string[] =>
  globSync(patterns, { cwd: ROOT, exclude: ["node_modules/**"] });

/** The test files that a file runs: a file of test/unit runs those of its rooms, any other file only itself. */
const ofRooms = (file: string): readonly string[] => {
  const rooms = /^testRooms\((.+)\);$/m.exec(readFileSync(join(ROOT, file), "utf8"))?.[1];
  return rooms === undefined
    ? [file]
    : [...rooms.matchAll(/"(\w+)"/g)].flatMap(([, room]) => found(`src/${room}/**/*.test.ts`));
};

/** The tests that a script runs. */
const runBy = (script: string): readonly string[] =>
  [...scripts[script]!.matchAll(/(?<= )"?([\w./{},*]+\.test\.ts)\b"?/g)]
    .flatMap(([, pattern]) => found(pattern!))
    .flatMap(ofRooms);

/**
 * Whether a test has a script of its own: guests with foreign drivers, comparisons with the state in which foreign
 * drivers leave a chip, and VFIO.
 */
const elsewhere = (file: string): boolean => /^test\/(conformance-guest|state|vfio)\//.test(file);

test("npm test runs every test of the checkout once", () => {
  const files = runBy("test");
  assert.ok(files.length > 200, `${files.length} files`);
  const all = [...found("src/**/*.test.ts"), ...found("test/**/*.test.ts")].flatMap(ofRooms);
  const wanted = new Set(all.filter((file) => !elsewhere(file)));
  assert.deepEqual(files.toSorted(), [...wanted].toSorted());
});

test("`npm test` is the unit tests and the rigs together", () => {
  const both = new Set([...runBy("unit"), ...runBy("test:rigs")]);
  assert.deepEqual([...both].toSorted(), runBy("test").toSorted());
});
