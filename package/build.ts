/**
 * Makes `dist` out of `src`: JavaScript and declarations, for where no types are stripped: under node_modules. `npm pack`
 * runs it.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

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
 * `dist` is a scope of its own with the same names for its rooms, so that `#kit/link.ts` is what lies beside: the source in
 * `src`, what was emitted from it in `dist`. (tsc rewrites relative imports and leaves these.)
 */
const scope = (): object => ({
  type: "module",
  imports: Object.fromEntries(Object.entries(manifest.imports).map(emitted)),
});

/**
 * What programs import. An older Node fails on the syntax of the code before any of it runs, so it is not imported but
 * required, after a look at the version.
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
