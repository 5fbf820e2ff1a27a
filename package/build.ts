/**
 * Makes `dist` out of `src`: JavaScript and declarations, for where no types are stripped: under node_modules. `npm pack`
 * runs it.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const DIST = join(ROOT, "dist");

interface Manifest {
  readonly imports: Readonly<Record<string, string>>;
}

const emitted = ([name, target]: [string, string]): [string, string] => [
  name,
  target.replace(/^\.\/src\//, "./").replace(/\.ts$/, ".js"),
];

/**
 * `dist` is a scope of its own with the same names for its rooms, so that `#kit/link.ts` is what lies beside: the source in
 * `src`, what was emitted from it in `dist`. (tsc rewrites relative imports and leaves these.)
 */
const scope = (): object => {
  const { imports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;
  return { type: "module", imports: Object.fromEntries(Object.entries(imports).map(emitted)) };
};

rmSync(DIST, { recursive: true, force: true });
execFileSync("tsc", ["-p", import.meta.dirname], { stdio: "inherit" });
writeFileSync(join(DIST, "package.json"), `${JSON.stringify(scope(), undefined, 2)}\n`);
