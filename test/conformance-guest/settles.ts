/** Waiting for conditions that become true slightly later. */
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds between tries; they increase, so that a busy machine gets more time. */
const PAUSES = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600];

/**
 * Calls `check` up to ten times, and resolves when it passes. Since Linux 7, a work queue writes a changed receive
 * filter to the chip, so a check right after the change may fail.
 * @throws the error of the last try
 */
export const settles = async (check: () => Promise<void>): Promise<void> => {
  for (const pause of PAUSES)
    try {
      await check();
      return;
    } catch {
      await sleep(pause);
    }
  await check();
};
