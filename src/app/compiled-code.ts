/**
 * Code for the data-plane threads, with its types stripped beforehand.
 *
 * Stripping types detaches an ArrayBuffer, and a thread in which that has happened once checks for it at every access
 * from then on: a fifth of its speed. So a thread that runs TypeScript as it stands in a checkout finds it stripped in
 * Node's compile cache, where the main thread has put it. Emitted JavaScript, as in an installed package, needs none of it.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { enableCompileCache, flushCompileCache } from "node:module";
import { compileCache } from "./cache-folder.js";

/**
 * Call before the first data-plane thread starts, with what imports their code. Where the cache cannot be written, threads
 * are slower and nothing else.
 */
export const prepareThreads = async (load: () => Promise<unknown>): Promise<void> => {
  if (!import.meta.url.endsWith(".ts")) return;
  const folder = process.env["NODE_COMPILE_CACHE"] ?? compileCache();
  if (folder === undefined) return;
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
  } catch {
    return;
  }
  // Threads read it from here.
  process.env["NODE_COMPILE_CACHE"] = folder;
  enableCompileCache(folder);
  await load();
  flushCompileCache();
};

/** A thread's entry file beside the module `from`: TypeScript in a checkout, the emitted JavaScript in a package. */
export const entryUrl = (file: `./${string}.ts`, from: string): URL =>
  new URL(from.endsWith(".ts") ? file : file.replace(/\.ts$/, ".js"), from);
