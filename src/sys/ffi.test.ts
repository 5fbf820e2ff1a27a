import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { ffi, ffiProblem, isAtLeast } from "./ffi.ts";

/** Runs a module that imports this room, in a Node started with `flags`. */
const node = (flags: readonly string[], code: string) => {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return spawnSync(process.execPath, [...flags, "--input-type=module", "--eval", code], {
    cwd: import.meta.dirname,
    encoding: "utf8",
    env,
    timeout: 300_000,
  });
};
const REPORT = `
  const { selfTest } = await import("./selftest.ts");
  const { EventFd } = await import("./eventfd.ts");
  let thrown;
  try { EventFd.create(); } catch (error) { thrown = error; }
  console.log(JSON.stringify({ code: thrown?.code, message: thrown?.message, hint: thrown?.hint, results: selfTest() }));
`;
interface Report {
  code: string;
  message: string;
  hint: string;
  results: { ok: boolean; hint: string }[];
}

test("versions are compared number by number", () => {
  assert.equal(isAtLeast("26.10.0", "26.10.0"), true);
  assert.equal(isAtLeast("26.9.9", "26.10.0"), false);
  assert.equal(isAtLeast("27.0.0", "26.10.0"), true);
  assert.equal(isAtLeast("27", "26.10.0"), true);
  assert.equal(isAtLeast("26", "26.10.0"), false);
  assert.equal(isAtLeast("26.10.0-nightly", "26.10.0"), true);
});

test("FFI is available in the Node that runs the tests", () => {
  assert.equal(ffiProblem(), undefined);
  assert.equal(typeof ffi().dlopen, "function");
});

test("using FFI prints no warning, but other experimental warnings are still printed", () => {
  const result = node(
    [],
    `const { EventFd } = await import("./eventfd.ts");
     EventFd.create()[Symbol.dispose]();
     process.emitWarning("FFI is not the only one", "OtherWarning");
     process.emitWarning("Something else is experimental", "ExperimentalWarning");`,
  );
  assert.equal(result.status, 0, result.stderr);
  assert.doesNotMatch(result.stderr, /FFI is an experimental/);
  assert.match(result.stderr, /FFI is not the only one/);
  assert.match(result.stderr, /Something else is experimental/);
});

test("a Node started with --no-experimental-ffi imports the room, and the error of each call says what to change", () => {
  const result = node(["--no-experimental-ffi"], REPORT);
  assert.equal(result.status, 0, result.stderr);
  const report = JSON.parse(result.stdout) as Report;
  assert.equal(report.code, "FFI_UNAVAILABLE");
  assert.match(report.message, /without FFI/);
  assert.match(report.hint, /--no-experimental-ffi/);
  assert.deepEqual(
    report.results.map(({ ok }) => ok),
    [true, true, true, false, false, false],
  );
  assert.match(report.results[5]!.hint, /--no-experimental-ffi/);
});

test("under the permission model the hint names --allow-ffi", () => {
  const result = node(["--permission", "--allow-fs-read=*"], REPORT);
  assert.equal(result.status, 0, result.stderr);
  const report = JSON.parse(result.stdout) as Report;
  assert.equal(report.code, "FFI_UNAVAILABLE");
  assert.match(report.hint, /--allow-ffi/);
});
