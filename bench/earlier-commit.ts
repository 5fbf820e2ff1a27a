/**
 * The commit with which a change is compared: the newest one in the first-parent history whose files differ from the
 * checkout's.
 */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { CannotMeasure } from "./bench.ts";

const run = promisify(execFile);

const git = async (checkout: string, ...args: readonly string[]): Promise<string> => {
  try {
    return (await run("git", ["-C", checkout, ...args], { maxBuffer: 2 ** 26 })).stdout.trim();
  } catch (cause) {
    throw new CannotMeasure(`git ${args[0]} failed in ${checkout}`, "Compare in a clone with history.", { cause });
  }
};

/**
 * The newest commit whose files differ from those of the checkout. If files have been changed since the last commit,
 * the result is the last commit.
 * @throws {CannotMeasure} outside a repository, or if the history has no such commit
 */
export const earlierCommit = async (checkout: string): Promise<string> => {
  const [changed, history] = await Promise.all([
    git(checkout, "status", "--porcelain", "--untracked-files=no"),
    git(checkout, "log", "--first-parent", "--format=%H %T"),
  ]);
  const commits = history.split("\n").map((line) => line.split(" ") as [string, string]);
  const [last] = commits;
  const earlier = changed !== "" ? last : commits.find(([, tree]) => tree !== last?.[1]);
  if (earlier !== undefined) return earlier[0];
  const shallow = (await git(checkout, "rev-parse", "--is-shallow-repository")) === "true";
  throw new CannotMeasure(
    shallow ? "the clone is shallow: it has no earlier commit" : "there is no earlier commit",
    "git fetch --deepen 10",
  );
};

/** Unpacks what the ring bench of `commit` needs into `folder`. */
export const unpack = async (checkout: string, commit: string, folder: string): Promise<void> => {
  mkdirSync(folder);
  const archive = join(folder, "files.tar");
  await git(checkout, "archive", "-o", archive, commit, "package.json", "src", "bench");
  await run("tar", ["-xf", archive, "-C", folder]);
};
