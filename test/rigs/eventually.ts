/** Waiting for a guest, the kernel or another process. */
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Milliseconds after which a rig is considered broken. The limit is far longer than any device needs, because on a busy
 * machine everything may take a hundred times as long as on an idle one.
 */
export const LIMIT_MILLIS = 300_000;

/**
 * Resolves with the first result of `attempt` that is neither false nor undefined.
 * @param what what is waited for, for the error message @throws {Error} after `LIMIT_MILLIS`, and errors of `attempt`
 */
export const eventually = async <T>(
  what: string | (() => string),
  attempt: () => T | Promise<T>,
  pauseMillis = 10,
): Promise<Exclude<T, false | undefined>> => {
  for (const end = Date.now() + LIMIT_MILLIS; ; await sleep(pauseMillis)) {
    const found = await attempt();
    if (found !== false && found !== undefined) return found as Exclude<T, false | undefined>;
    if (Date.now() > end)
      throw new Error(`not within ${LIMIT_MILLIS / 1000} s: ${typeof what === "string" ? what : what()}`);
  }
};
