/**
 * Provides the data-plane threads with code whose types are already stripped. If a thread strips types itself, an
 * ArrayBuffer is detached. From then on, V8 checks for detached buffers at every access in that thread, and the thread
 * loses a fifth of its speed. In a checkout, the main thread therefore writes stripped code to Node's compile cache,
 * and the threads load it from there. An installed package contains JavaScript and does not need this.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { enableCompileCache, flushCompileCache } from "node:module";
import { compileCache } from "./cache-folder.js";

/**
 * Writes the threads' code to the cache. Must be called before the first data-plane thread starts. If the cache cannot
 * be written, the threads are slower.
 * @param load imports the threads' code
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
  // Threads get the folder from this variable.
  process.env["NODE_COMPILE_CACHE"] = folder;
  enableCompileCache(folder);
  await load();
  flushCompileCache();
};

/**
 * URL of a thread's entry file, which is in the folder of the module `from`. The file is TypeScript in a checkout, and
 * the emitted JavaScript in a package.
 */
export const entryUrl = (file: `./${string}.ts`, from: string): URL =>
  new URL(from.endsWith(".ts") ? file : file.replace(/\.ts$/, ".js"), from);
