/**
 * A thread that runs checks on mutants: for each mutant, it loads the tests and the modules that they import (except
 * those of `SHARED`) anew, with one line changed. A process of its own for each check would spend most of its time in
 * starting.
 */
import { globSync, readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parentPort } from "node:worker_threads";
import type { Check } from "./checks.ts";
import type * as Collected from "./collected-tests.ts";
import { type Mutant, mutated } from "./mutants.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Modules that are loaded only once, because none of them imports the driver or chip room. */
const SHARED = /\/(node_modules|src\/(kit|sys|wire))\//;
const COLLECTED = pathToFileURL(join(import.meta.dirname, "collected-tests.ts")).href;

export interface Case {
  /** Checks with the same number share the modules that they have loaded. */
  readonly number: number;
  /** If undefined, nothing is changed. */
  readonly mutant: Mutant | undefined;
  readonly check: Check;
}

let current: Mutant | undefined;

const stripped = new Map<string, string>();

const sourceOf = (path: string): string => {
  const source = stripped.get(path) ?? stripTypeScriptTypes(readFileSync(path, "utf8"));
  stripped.set(path, source);
  return current !== undefined && path === join(ROOT, current.file) ? mutated(source, current) : source;
};

// Each module's URL ends in the number of the case, so that Node loads the module anew for each case.
registerHooks({
  resolve(specifier, context, next) {
    const run = /\?case=\d+$/.exec(context.parentURL ?? "")?.[0];
    if (run === undefined) return next(specifier, context);
    if (specifier === "node:test") return { url: COLLECTED + run, format: "module", shortCircuit: true };
    const found = next(specifier, context);
    return found.url.startsWith("file:") && !SHARED.test(found.url) ? { ...found, url: found.url + run } : found;
  },
  load(url, context, next) {
    if (!/\.ts\?case=\d+$/.test(url)) return next(url, context);
    return { format: "module", source: sourceOf(fileURLToPath(url)), shortCircuit: true };
  },
});

/** The first test that fails, or the error of a module that cannot be loaded; undefined if all pass. */
const judge = async ({ number, mutant, check: { files, tests } }: Case): Promise<string | undefined> => {
  current = mutant;
  const run = `?case=${number}`;
  try {
    for (const file of globSync(files, { cwd: ROOT }).toSorted())
      await import(pathToFileURL(join(ROOT, file)).href + run);
    const { firstFailure } = (await import(COLLECTED + run)) as typeof Collected;
    return await firstFailure(tests ?? /^/);
  } catch (error) {
    return `does not load: ${String(error)}`;
  }
};

parentPort?.on("message", (given: Case) => void judge(given).then((failed) => parentPort!.postMessage(failed)));
