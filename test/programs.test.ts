/** The programs behind `npm run`, as a new user calls them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "..");
const LIMIT_MILLIS = 30_000;

const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };
/** The scripts that are programs with their own options. */
const PROGRAMS = Object.entries(scripts).flatMap(([name, line]) => {
  const file = /^node (?:--\S+ )*((?:test|bench)\/\S+\.ts)$/.exec(line)?.[1];
  return file === undefined ? [] : [[name, file] as const];
});

const call = (file: string, ...words: readonly string[]) =>
  spawnSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(ROOT, file), ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    timeout: LIMIT_MILLIS,
  });

test("all of them are found", () => {
  const names = PROGRAMS.map(([name]) => name).sort();
  assert.deepEqual(names, [
    "bench",
    "demo:all",
    "derive",
    "guard",
    "guest",
    "lines",
    "screens",
    "soak",
    "test:guest",
    "test:mutation",
    "test:vfio",
  ]);
});

for (const [name, file] of PROGRAMS) {
  test(`npm run ${name} -- --help explains the program, with an example`, () => {
    for (const word of ["--help", "-h"]) {
      const { status, stdout, stderr } = call(file, word);
      assert.equal(status, 0, stderr);
      assert.equal(stderr, "");
      assert.match(stdout, new RegExp(`^(usage: )?npm run ${name} -- `));
      assert.match(stdout, /examples?/i);
    }
  });

  test(`npm run ${name}: after wrong usage, the exit code is 2, and stderr has one line and a hint`, () => {
    for (const words of [["--no-such-option"], ["no such word"]]) {
      const { status, stdout, stderr } = call(file, ...words);
      assert.equal(status, 2, `${words.join(" ")}: ${stderr}`);
      assert.match(stderr, /^\w+: .+\nhint: .+\n$/);
      assert.equal(stdout, "");
    }
  });
}

test("the shell in a guest is refused without a terminal", () => {
  const { status, stderr } = call("test/guest/shell.ts");
  assert.equal(status, 2);
  assert.match(stderr, /needs a terminal, and stdin is not one\nhint: /);
});
