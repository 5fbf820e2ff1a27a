/** Ferrule itself, as files for a guest: run there as `ferrule`. */
import { globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import type { Packed } from "./cpio.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Types are stripped out here: in an emulated guest Node would take 10 s over it, in each thread again. The files keep
 * their names, so that imports hold, and this tells Node to take them as they are.
 */
const AS_THEY_ARE = `
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
registerHooks({
  load: (url, context, next) =>
    url.endsWith(".ts")
      ? { format: "module", source: readFileSync(new URL(url)), shortCircuit: true }
      : next(url, context),
});
`;

/** Through the environment, because threads inherit that and no arguments. */
const COMMAND = `#!/usr/bin/sh
export NODE_OPTIONS="--disable-warning=ExperimentalWarning --import=/ferrule/as-they-are.mjs"
exec node /ferrule/src/app/cli/entry.ts "$@"
`;

/** The program without its tests. */
export const programFiles = (): readonly Packed[] => [
  { path: "usr/bin/ferrule", bytes: Buffer.from(COMMAND), executable: true },
  { path: "ferrule/as-they-are.mjs", bytes: Buffer.from(AS_THEY_ARE) },
  { path: "ferrule/package.json", bytes: readFileSync(`${ROOT}package.json`) },
  ...globSync(["src/**/*.ts", "src/**/*.js"], { cwd: ROOT, exclude: ["**/*.test.ts", "**/*.types.ts"] }).map(
    (path) => ({
      path: `ferrule/${path}`,
      bytes: Buffer.from(stripTypeScriptTypes(readFileSync(ROOT + path, "utf8"))),
    }),
  ),
];
