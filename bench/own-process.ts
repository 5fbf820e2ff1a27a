/** Ferrule's half of a paired bench, in a separate process. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { BenchOptions } from "./bench.ts";

/** Time limit of a process, which takes a few seconds. */
const LIMIT_MS = 120_000;

/**
 * Runs bench/`file` in fresh processes, one after the other, and returns the JSON that each printed.
 *
 * The engine's optimisations differ from process to process, so one process is one sample. All processes load stripped
 * code from a compile cache, as in an installed package: a process that strips types itself detaches an ArrayBuffer,
 * and from then on the engine checks every access for detached buffers. A first, uncounted process fills the cache.
 */
export const inOwnProcesses = async <T>(
  file: string,
  args: readonly string[],
  count: number,
  options: BenchOptions,
): Promise<T[]> => {
  const command = ["--disable-warning=ExperimentalWarning", join(import.meta.dirname, file), ...args];
  const env = { ...process.env, NODE_COMPILE_CACHE: join(options.scratch, "compile-cache") };
  const limits = { env, timeout: LIMIT_MS, signal: options.stop, maxBuffer: 2 ** 26 };
  const results: T[] = [];
  for (let i = 0; i <= count; i++) {
    options.say(`${file}: ${i === 0 ? "filling the compile cache" : `process ${i} of ${count}`}`);
    const { stdout } = await promisify(execFile)(process.execPath, command, limits);
    if (i > 0) results.push(JSON.parse(stdout) as T);
  }
  return results;
};
