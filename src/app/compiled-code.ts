/**
 * Code for the data-plane threads, with its types stripped beforehand.
 *
 * Stripping types detaches an ArrayBuffer, and after the first detach V8 checks for it at every access in that thread,
 * which costs a fifth of its speed. So a thread in a checkout loads stripped code from Node's compile cache, into which
 * the main thread has written it. Emitted JavaScript, as in an installed package, does not need this.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { enableCompileCache, flushCompileCache } from "node:module";
import { compileCache } from "./cache-folder.js";

/**
 * Call before the first data-plane thread starts. @param load imports their code. If the cache cannot be written,
 * threads are only slower.
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

/** URL of a thread's entry file in the folder of the module `from`: TypeScript in a checkout, the emitted JavaScript in a package. */
export const entryUrl = (file: `./${string}.ts`, from: string): URL =>
  new URL(from.endsWith(".ts") ? file : file.replace(/\.ts$/, ".js"), from);
