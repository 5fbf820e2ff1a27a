/** A checkout that belongs to one user and is used by another, as under sudo. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { olderNode } from "./rigs/older-node.ts";

const SOURCE = fileURLToPath(new URL("..", import.meta.url));
/** The user who owns the checkout: any other than root. */
const OWNER = 64_321;
/** Time limit in ms, long enough on a busy machine. */
const ENOUGH = 300_000;
const skip = process.getuid?.() === 0 ? false : "needs root, to run programs as two users";

suite("a checkout of another user", { skip }, () => {
  let folder = "";
  const checkout = (): string => join(folder, "checkout");

  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "ferrule-checkout-")));
    chmodSync(folder, 0o755);
    // Node is copied to a folder that the owner may read, because this checkout's folder may be closed to the owner.
    copyFileSync(process.execPath, join(folder, "node"));
    for (const name of ["bin", "src", "package.json"])
      cpSync(join(SOURCE, name), join(checkout(), name), { recursive: true });
    mkdirSync(join(checkout(), "node_modules"));
    for (const name of ["root", "owner", "owner/.cache"]) mkdirSync(join(folder, name));
    for (const path of ["owner", "owner/.cache", "checkout"]) chownSync(join(folder, path), OWNER, OWNER);
    for (const path of inside("checkout")) chownSync(path, OWNER, OWNER);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const inside = (part: string): readonly string[] =>
    globSync(["**", "**/.*", "**/.*/**"], { cwd: join(folder, part) }).map((path) => join(folder, part, path));
  const ownedBy = (user: number, part: string): readonly string[] =>
    inside(part).filter((path) => lstatSync(path).uid === user);

  /** Runs the checkout's command as `user`. @param variables added to its environment */
  const ferrule = (
    user: number,
    args: readonly string[],
    variables: Record<string, string>,
    node = join(folder, "node"),
  ) => {
    const { NODE_COMPILE_CACHE: _, XDG_CACHE_HOME: __, ...rest } = process.env;
    const as = ["--reuid", `${user}`, "--regid", `${user}`, "--clear-groups", "--"];
    return spawnSync("setpriv", [...as, node, join(checkout(), "bin/ferrule.mjs"), ...args], {
      encoding: "utf8",
      timeout: ENOUGH,
      env: { ...rest, ...variables },
    });
  };
  const DEMO = ["demo", "--bytes", "64K", "--json"];

  test("gets no files owned by root, and neither does its owner's home", () => {
    const homes = [
      { HOME: join(folder, "root") },
      // The environment under a sudo that keeps the caller's variables.
      { HOME: join(folder, "root"), XDG_CACHE_HOME: join(folder, "owner/.cache") },
    ];
    for (const variables of homes) {
      const { status, stderr } = ferrule(0, DEMO, variables);
      assert.equal(status, 0, stderr);
    }
    assert.deepEqual([...ownedBy(0, "checkout"), ...ownedBy(0, "owner")], []);
    assert.notDeepEqual(ownedBy(0, "root"), [], "root's compiled code is not in root's cache");
  });

  test("keeps the code that was compiled for its owner", () => {
    const { status, stderr } = ferrule(OWNER, DEMO, { HOME: join(folder, "owner") });
    assert.equal(status, 0, stderr);
    assert.ok(ownedBy(OWNER, "checkout").some((path) => path.includes("node_modules/.cache/ferrule/")));
    assert.deepEqual(globSync("**/ferrule/**", { cwd: join(folder, "owner") }), []);
  });

  const older = olderNode();
  test(
    "where npm cannot replace its node_modules, the hint says how to remove them",
    { skip: older === undefined ? "there is no older Node here" : false },
    () => {
      mkdirSync(join(checkout(), "node_modules/.cache/ferrule"), { recursive: true });
      chownSync(join(checkout(), "node_modules/.cache"), OWNER, OWNER);
      const { status, stderr } = ferrule(OWNER, ["--version"], { HOME: join(folder, "owner") }, older);
      assert.equal(status, 1);
      const command = /: `(sudo rm -rf [^`]+)`, then `npm ci`/.exec(stderr)?.[1];
      assert.equal(command, `sudo rm -rf '${checkout()}/node_modules'`);
      rmSync(join(checkout(), "node_modules"), { recursive: true });
      assert.match(ferrule(OWNER, ["--version"], {}, older).stderr, /hint: Run `npm ci` without `--omit=optional`/);
    },
  );
});
