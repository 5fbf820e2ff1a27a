/** The sources of a driver: how many lines its data path has, and where safety rests on an argument and not on the language. */
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type Size, sizeOf, sumOf } from "#app/compare/line-count.ts";

const ROOT = join(import.meta.dirname, "../..");
/** A name that code is imported by, types apart, and its path. */
const IMPORT = /^import (?!type\b)[^;]*? from "(?:#([^"]+)|(\.[^"]+))";/gms;

/** What a source imports of this project, and what that imports in turn, and itself. */
const closureOf = (path: string, into = new Set<string>()): ReadonlySet<string> => {
  if (into.has(path) || !existsSync(path)) return into;
  into.add(path);
  for (const [, room, file] of readFileSync(path, "utf8").matchAll(IMPORT))
    closureOf(room === undefined ? join(path, "..", file!) : join(ROOT, "src", room), into);
  return into;
};

/** The sources' size, comments and blank lines also counted apart. */
export const sizeOfFiles = (paths: readonly string[]): Size =>
  sumOf(paths.map((path) => sizeOf(readFileSync(join(ROOT, path), "utf8"))));

/**
 * Of Ferrule, from the parts that a driver process creates: what of the driver's room they consist of, and all that they run.
 * Nothing in a package, which has no sources.
 */
export const ownSources = (entries: readonly string[]): { readonly size?: Size; readonly unsafeSites?: number } => {
  if (!existsSync(join(ROOT, entries[0]!))) return {};
  const paths = [...new Set(entries.flatMap((path) => [...closureOf(join(ROOT, path))]))].map((path) =>
    relative(ROOT, path),
  );
  const safety = paths.flatMap((path) => readFileSync(join(ROOT, path), "utf8").match(/SAFETY:/g) ?? []);
  return { size: sizeOfFiles(paths.filter((path) => path.startsWith("src/driver/"))), unsafeSites: safety.length };
};
