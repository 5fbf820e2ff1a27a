/**
 * The sources of a driver: the size of its data path in lines, and the number of places where safety depends on
 * reasoning and not on the language.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { type Size, sizeOf, sumOf } from "#app/compare/line-count.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Finds the specifiers of imports of code (not of types only). */
const IMPORT = /^import (?!type\b)[^;]*? from "(?:#([^"]+)|(\.[^"]+))";/gms;

/** A source and all sources of this project that it imports, directly or indirectly. */
const closureOf = (path: string, into = new Set<string>()): ReadonlySet<string> => {
  if (into.has(path) || !existsSync(path)) return into;
  into.add(path);
  for (const [, room, file] of readFileSync(path, "utf8").matchAll(IMPORT))
    closureOf(room === undefined ? join(path, "..", file!) : join(ROOT, "src", room), into);
  return into;
};

/** The size of the sources, with and without comments and blank lines. */
export const sizeOfFiles = (paths: readonly string[]): Size =>
  sumOf(paths.map((path) => sizeOf(readFileSync(join(ROOT, path), "utf8"))));

/**
 * Counts the unsafe sites in the given sources and in all code that they import, and the size of those of these files
 * that are in src/driver. The object is empty in an installed package, which has no sources.
 */
export const ownSources = (entries: readonly string[]): { readonly size?: Size; readonly unsafeSites?: number } => {
  if (!existsSync(join(ROOT, entries[0]!))) return {};
  const paths = [...new Set(entries.flatMap((path) => [...closureOf(join(ROOT, path))]))].map((path) =>
    relative(ROOT, path),
  );
  const safety = paths.flatMap((path) => readFileSync(join(ROOT, path), "utf8").match(/SAFETY:/g) ?? []);
  return { size: sizeOfFiles(paths.filter((path) => path.startsWith("src/driver/"))), unsafeSites: safety.length };
};
