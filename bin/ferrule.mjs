#!/usr/bin/env node
/** Finds a Node that is new enough and runs the command in it. Plain JavaScript: this file must run on Node 20. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import module, { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { NEEDED, isNewEnough } from "./node-version.mjs";

const fail = (message, hint) => {
  process.stderr.write(`ferrule: ${message}\nhint: ${hint}\n`);
  process.exit(1);
};

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const MODULES = join(ROOT, "node_modules");
const SOURCE = join(ROOT, "src", "app", "cli", "entry.ts");
const IS_CHECKOUT = existsSync(SOURCE);

/** The command's entry point: TypeScript in a checkout, emitted JavaScript in an installed package. */
const ENTRY = IS_CHECKOUT ? SOURCE : join(ROOT, "dist", "app", "cli", "entry.js");

/**
 * Lets Node keep a checkout's code without types in its compile cache (see src/app/compiled-code.ts). Later starts load
 * the code from there, which saves about a third of the start-up time. Does nothing without a folder for the cache.
 */
const findCompiled = async () => {
  if (!IS_CHECKOUT) return;
  const { compileCache } = await import(pathToFileURL(join(ROOT, "src", "app", "cache-folder.js")).href);
  const folder = compileCache();
  if (folder !== undefined) process.env.NODE_COMPILE_CACHE ??= folder;
};

/** The path of the Node that was installed with the package for this processor; undefined if there is none. */
const ownNode = () => {
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
    const program = join(dirname(manifest), "bin", "node");
    return existsSync(program) ? program : undefined;
  } catch {
    return undefined;
  }
};

/** The paths of a folder and of its entries; an empty list if the folder cannot be read. */
const within = (folder) => {
  try {
    return [folder, ...readdirSync(folder).map((name) => join(folder, name))];
  } catch {
    return [];
  }
};

/** True if npm, run by this user, cannot remove node_modules, because some of its files belong to another user. */
const isShared = () => {
  const user = process.geteuid();
  if (user === 0) return false;
  const caches = join(MODULES, ".cache");
  return [...within(MODULES), ...within(caches)].some(
    (path) => ![undefined, user].includes(statSync(path, { throwIfNoEntry: false })?.uid),
  );
};

/** The hint that tells the user how to get a Node that is new enough. */
const cure = () => {
  const other = `or put Node ${NEEDED} or newer on the path.`;
  if (!IS_CHECKOUT) return `Install the package again without \`--omit=optional\` (x64 and arm64), ${other}`;
  if (isShared()) {
    const folder = `'${MODULES.replaceAll("'", "'\\''")}'`;
    return `Some files there belong to another user, so npm cannot replace them: \`sudo rm -rf ${folder}\`, then \`npm ci\`.`;
  }
  return `Run \`npm ci\` without \`--omit=optional\` (x64 and arm64), ${other}`;
};

/** Runs the command in another Node, and ends with the same exit code or by the same signal. */
const runIn = (program) => {
  const child = spawn(program, [ENTRY, ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, FERRULE_PARENT: String(process.pid) },
  });
  // On Ctrl-C the terminal sends the signal to the child too, so the child gets it twice. The command treats two
  // signals in quick succession as one.
  const forward = (signal) => child.kill(signal);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, forward);
  child.on("error", (error) => fail(`${program} does not start: ${error.message}`, cure()));
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    for (const each of signals) process.removeListener(each, forward);
    process.kill(process.pid, signal);
    // Reached only if the signal has not ended this process. The exit code is then 128 plus the signal's number, as in
    // shells.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
  });
};

if (process.platform !== "linux")
  fail(
    `this is ${process.platform}; Ferrule drives NICs through Linux's VFIO and TAP`,
    "Run it on Linux: a machine, a virtual machine or a container.",
  );

await findCompiled();
if (isNewEnough(process.versions.node)) {
  if (process.env.NODE_COMPILE_CACHE !== undefined) module.enableCompileCache();
  await import(pathToFileURL(ENTRY).href).catch((error) => {
    if (error.code !== "EMFILE" && error.code !== "ENFILE") throw error;
    fail(error.message, "Too many open files: raise the limit with `ulimit -n`.");
  });
} else {
  const program = ownNode();
  if (program === undefined)
    fail(
      `Node ${NEEDED} or newer is needed; this is ${process.versions.node}, and no own Node for ${process.arch} is installed`,
      cure(),
    );
  else runIn(program);
}
