/** The lock file names every package that an installation could need: otherwise `npm ci` of npm 11 rejects the file. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Locked {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

test("every optional dependency of every package is in the lock, also for other platforms", () => {
  const lock = JSON.parse(readFileSync(new URL("../package-lock.json", import.meta.url), "utf8")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };
  const wanted = Object.values(lock.packages).flatMap((locked) => Object.keys(locked.optionalDependencies ?? {}));
  assert.ok(wanted.length > 0);
  assert.deepEqual(
    wanted.filter((name) => lock.packages[`node_modules/${name}`] === undefined),
    [],
  );
});

test("the lock does not contain the addresses from which packages were fetched", () => {
  assert.ok(!readFileSync(new URL("../package-lock.json", import.meta.url), "utf8").includes('"resolved"'));
});
