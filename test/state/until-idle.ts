/** Waits until a driver has done its deferred work. */
import { setTimeout as wait } from "node:timers/promises";
import type { Rtl8169 } from "#model/rtl8169.ts";
import { changes, snapshot } from "./snapshot.ts";

/** Time without a change after which the driver is considered idle. */
const IDLE_MILLIS = 3000;
/** Number of checks after which the driver is considered never to become idle: five minutes. */
const CHECKS = 100;

/** @throws {Error} if a driver does not become idle */
export const untilIdle = async (nics: readonly Rtl8169[]): Promise<void> => {
  let before = nics.map(snapshot);
  for (let check = 0; check < CHECKS; check++) {
    await wait(IDLE_MILLIS);
    const now = nics.map(snapshot);
    if (now.every((one, i) => changes(before[i]!, one).size === 0)) return;
    before = now;
  }
  throw new Error(`a driver has not become idle in ${(CHECKS * IDLE_MILLIS) / 1000} s`);
};
