/** Waiting for conditions that become true slightly later. */
import { setTimeout as sleep } from "node:timers/promises";

/** Milliseconds from one try to the next: a machine that is busy gets more time. */
const PAUSES = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600];

/**
 * Resolves when `check` holds, which is tried a few times: since Linux 7 a change of the receive filter reaches the chip from a
 * queue of the kernel's. @throws what the last try throws
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
