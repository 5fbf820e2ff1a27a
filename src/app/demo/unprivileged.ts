/** Runs this process's command line again, as root of a new user and network namespace. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { UNSHARED } from "./choose-rig.ts";
import { UNSHARE } from "./permissions.ts";

/**
 * Runs this program again under unshare(1), and resolves with its exit code. The second program ends with this process,
 * and is stopped when `stop` is aborted.
 */
export const runUnshared = async (args: readonly string[], stop: AbortSignal): Promise<number> => {
  const [program, ...options] = UNSHARE;
  const child = spawn(program, [...options, process.execPath, ...process.execArgv, process.argv[1]!, ...args], {
    stdio: "inherit",
    // unshare starts the program by execve, so this process is the program's parent.
    env: { ...process.env, [UNSHARED]: "1", FERRULE_PARENT: String(process.pid) },
  });
  const ask = (): void => void child.kill("SIGTERM");
  stop.addEventListener("abort", ask);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once("error", reject);
  child.once("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
  try {
    return await promise;
  } finally {
    stop.removeEventListener("abort", ask);
  }
};
