/** What comes true a little later than it was asked for. */
import { setTimeout as sleep } from "node:timers/promises";

const TRIES = 5;
const PAUSE_MILLIS = 300;

/**
 * Resolves when `check` holds, which is tried a few times: since Linux 7 a change of the receive filter reaches the chip from a
 * queue of the kernel's, and a busy guest may find out late that the link was away for a moment, or answer late.
 * @throws what the last try throws
 */
export const settles = async (check: () => Promise<void>): Promise<void> => {
  for (let left = TRIES - 1; ; left--) {
    try {
      await check();
      return;
    } catch (error) {
      if (left === 0) throw error;
    }
    await sleep(PAUSE_MILLIS);
  }
};
