/** Ferrule as files for a guest, where it is the command `ferrule`. */
import { globSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import type { Packed } from "./cpio.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Types are stripped on the host: in an emulated guest Node would need 10 s to strip them, in each thread. The files
 * keep their names, so that imports still resolve, and this hook makes Node load them as JavaScript.
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

/** Options are set in the environment, which threads inherit; they would not inherit arguments. */
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
