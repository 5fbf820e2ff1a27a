/**
 * Writes the programs that `ferrule compare` runs to `dist`, without types, because Node does not strip types under
 * node_modules.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { dirname, join, relative } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const ENTRY = join(ROOT, "bench/compare/main.ts");
/** Sources that are compiled on the user's machine. */
const FOREIGN = ["bench/c", "bench/rust"] as const;

/**
 * The quoted name of a module or a program, relative to the file that names it or to the checkout. Imports that begin
 * with # are resolved by package.json.
 */
const NAMED = /"([^"#\s]+)\.ts"/g;

/** The file and all files that it names, directly or indirectly. */
const closure = (path: string, found = new Set<string>()): ReadonlySet<string> => {
  if (found.has(path)) return found;
  found.add(path);
  for (const [, name] of readFileSync(path, "utf8").matchAll(NAMED)) {
    const named = [dirname(path), ROOT].map((folder) => join(folder, `${name}.ts`)).find(existsSync);
    if (named !== undefined) closure(named, found);
  }
  return found;
};

/** The path of a source in `dist`, which has no folder `src`. */
const emitted = (source: string): string =>
  stripTypeScriptTypes(source).replaceAll(NAMED, '"$1.js"').replaceAll('"../../src/', '"../../');

/** Writes the programs to the same paths in `dist` as in the checkout. */
export const emitPrograms = (dist: string): void => {
  for (const path of closure(ENTRY)) {
    const target = join(dist, relative(ROOT, path).replace(/\.ts$/, ".js"));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, emitted(readFileSync(path, "utf8")));
  }
  for (const folder of FOREIGN) cpSync(join(ROOT, folder), join(dist, folder), { recursive: true });
};
