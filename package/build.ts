/**
 * Builds `dist` from `src`: JavaScript and declarations, because Node does not strip types under node_modules. `npm
 * pack` runs it.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { facts } from "./facts.ts";
import { emitPrograms } from "./programs.ts";

const ROOT = join(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");

interface Manifest {
  readonly imports: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
}

const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;

const emitted = ([name, target]: [string, string]): [string, string] => [
  name,
  target.replace(/^\.\/src\//, "./").replace(/\.ts$/, ".js"),
];

/**
 * `dist` is a package scope with the same import names, so that `#kit/link.ts` resolves to the source inside `src`, and
 * to the emitted file inside `dist`. (tsc rewrites relative imports, but not imports that begin with #.)
 */
const scope = (): object => ({
  type: "module",
  imports: Object.fromEntries(Object.entries(manifest.imports).map(emitted)),
});

/**
 * An entry point for programs. An older Node would fail at the code's syntax before it executes anything. Therefore the
 * entry point checks the version first, and then loads the code by `require`.
 */
const entry = async (types: string): Promise<string> => {
  const path = types.replace(/\.d\.ts$/, ".js");
  const names = Object.keys((await import(pathToFileURL(join(ROOT, path)).href)) as object);
  const module = path.replace(/^\.\/dist\//, "../");
  return [
    `/** Generated from ${path}. */`,
    'import { createRequire } from "node:module";',
    'import "../../bin/library.mjs";',
    "",
    `export const { ${names.join(", ")} } = createRequire(import.meta.url)("${module}");`,
    "",
  ].join("\n");
};

rmSync(DIST, { recursive: true, force: true });
execFileSync("tsc", ["-p", import.meta.dirname], { stdio: "inherit" });
writeFileSync(join(DIST, "package.json"), `${JSON.stringify(scope(), undefined, 2)}\n`);
mkdirSync(join(DIST, "entry"));
for (const target of Object.values(manifest.exports))
  if (typeof target !== "string")
    writeFileSync(join(DIST, "entry", basename(target.default)), await entry(target.types));
emitPrograms(DIST);
writeFileSync(join(DIST, "facts.json"), `${JSON.stringify(facts())}\n`);
