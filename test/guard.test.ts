/** Tests with which commit `npm run guard` compares the hot loops, and when it fails. These tests measure nothing. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CannotMeasure } from "../bench/bench.ts";
import { earlierCommit, unpack } from "../bench/earlier-commit.ts";
import { confirmed, MARGIN } from "../bench/guard.ts";
import type { Comparison } from "../bench/ring-against.ts";
import { summarize } from "../bench/statistics.ts";

const openFolder = (): Disposable & { readonly path: string } => {
  const path = mkdtempSync(join(tmpdir(), "ferrule-guard-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
};

/** Runs git in `folder` and returns what it printed. */
const git = (folder: string, ...args: readonly string[]): string =>
  execFileSync("git", ["-c", "user.name=n", "-c", "user.email=n@example.org", "-C", folder, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();

/** Commits `text` as the file package.json; returns the commit. */
const commit = (folder: string, text: string, ...options: readonly string[]): string => {
  writeFileSync(join(folder, "package.json"), text);
  git(folder, "add", "-A");
  git(folder, "commit", "-qm", text, ...options);
  return git(folder, "rev-parse", "HEAD");
};

const init = (folder: string): void => void git(folder, "init", "-q", "-b", "main");

test("a change is compared with the newest commit that has other files", async () => {
  using folder = openFolder();
  init(folder.path);
  const first = commit(folder.path, "one");
  commit(folder.path, "two");
  commit(folder.path, "two", "--allow-empty");
  assert.equal(await earlierCommit(folder.path), first);
});

test("a merge is compared with the main line", async () => {
  using folder = openFolder();
  init(folder.path);
  const main = commit(folder.path, "one");
  git(folder.path, "checkout", "-qb", "change");
  commit(folder.path, "two");
  commit(folder.path, "three");
  git(folder.path, "checkout", "-q", "main");
  git(folder.path, "merge", "-q", "--no-ff", "-m", "merge", "change");
  assert.equal(await earlierCommit(folder.path), main);
});

test("uncommitted changes are compared with the last commit", async () => {
  using folder = openFolder();
  init(folder.path);
  const last = commit(folder.path, "one");
  writeFileSync(join(folder.path, "package.json"), "two");
  assert.equal(await earlierCommit(folder.path), last);
});

test("without an earlier commit, in a shallow clone, and outside a repository nothing is compared, and the reason is given", async () => {
  using folder = openFolder();
  await assert.rejects(earlierCommit(folder.path), CannotMeasure);
  init(folder.path);
  commit(folder.path, "one");
  await assert.rejects(earlierCommit(folder.path), { message: "there is no earlier commit" });
  commit(folder.path, "two");
  using clones = openFolder();
  const clone = join(clones.path, "clone");
  git(clones.path, "clone", "-q", "--depth", "1", `file://${folder.path}`, clone);
  await assert.rejects(earlierCommit(clone), { message: "the clone is shallow: it has no earlier commit" });
});

test("the earlier commit is unpacked beside the checkout, which is not changed", async () => {
  using folder = openFolder();
  init(folder.path);
  for (const name of ["src", "bench"]) execFileSync("mkdir", [join(folder.path, name)]);
  for (const name of ["src", "bench"]) writeFileSync(join(folder.path, name, "file.ts"), "");
  const first = commit(folder.path, "one");
  using scratch = openFolder();
  await unpack(folder.path, first, join(scratch.path, "earlier"));
  assert.ok(existsSync(join(scratch.path, "earlier/bench/file.ts")));
  assert.equal(git(folder.path, "status", "--porcelain"), "");
});

const measured = (ratios: Readonly<Record<string, number>>): Comparison[] =>
  Object.entries(ratios).map(([batch, ratio]) => ({
    path: "link",
    batch: Number(batch),
    other: summarize([1]),
    own: summarize([ratio]),
    ratio: summarize([ratio]),
    processes: [ratio],
  }));

test("only a loop that is slower by more than the margin both times fails the guard", () => {
  const equal = measured({ 1: 1, 32: MARGIN });
  const slow = measured({ 1: 1, 32: 1.2 });
  assert.deepEqual(confirmed(equal, slow), []);
  assert.deepEqual(confirmed(slow, equal), []);
  assert.deepEqual(confirmed(slow, measured({ 1: 1.2, 32: 1 })), []);
  assert.deepEqual(confirmed(slow, slow), ["link, bursts of 32"]);
});
