/** The same command line again, as root of a user and a network namespace of its own. */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { UNSHARED } from "./choose-rig.ts";
import { UNSHARE } from "./permissions.ts";

/**
 * Runs this program again under unshare(1) and resolves with the code it ended with. It dies with us, and is asked to
 * stop when `stop` is aborted.
 */
export const runUnshared = async (args: readonly string[], stop: AbortSignal): Promise<number> => {
  const [program, ...options] = UNSHARE;
  const child = spawn(program, [...options, process.execPath, ...process.execArgv, process.argv[1]!, ...args], {
    stdio: "inherit",
    // unshare becomes our program by execve, so our process is that program's parent.
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
