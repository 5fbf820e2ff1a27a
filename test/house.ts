/** The sources to which this project's coding rules apply, and how the tests of the rules read them. */
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path/posix";
import { without } from "./source.ts";

const ROOT = join(import.meta.dirname, "..");

export interface File {
  /** Path from the repository's root, with forward slashes. */
  readonly path: string;
  readonly source: string;
}

export const roomOf = (path: string): string => path.split("/")[1]!;
export const isTest = ({ path }: File): boolean => /\.(test|types)\.ts$/.test(path);

/** A complaint for every line of code on which `pattern` occurs. Comments and strings do not count. */
export const occurrences = ({ path, source }: File, pattern: RegExp, what: string): string[] =>
  without(source, "comment", "string", "regex")
    .split("\n")
    .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1} ${what}`] : []));

export const files: readonly File[] = globSync("src/**/*.{ts,js}", { cwd: ROOT })
  .map((path) => path.replaceAll("\\", "/"))
  .sort()
  .map((path) => ({ path, source: readFileSync(join(ROOT, path), "utf8") }));

export const none = (complaints: readonly string[]): void => assert.equal(complaints.join("\n"), "");
