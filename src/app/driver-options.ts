/** Options of the driver, from the task that the driver's thread gets. */
import type { NicOptions } from "#driver/probe.ts";
import type { Clock } from "#kit/clock.ts";
import { firmwareFiles } from "./firmware-files.ts";
import { BUDGET } from "./napi.ts";
import type { DriverTask } from "./session-messages.ts";

export const optionsOf = (
  { firmware, queues, queueThreads, rings, aspm, address }: DriverTask,
  clock: Clock,
  mtu: number,
): NicOptions => ({
  clock,
  mtu,
  weaklyOrdered: process.arch !== "x64",
  firmware: firmwareFiles(firmware),
  // One spare for each entry that `receive` may return, whatever the size of the rings.
  spareBuffers: BUDGET,
  queues,
  queueThreads: queueThreads.length > 0,
  ...(rings === undefined ? {} : { slots: rings }),
  ...(aspm === undefined ? {} : { aspm }),
  ...(address === undefined ? {} : { address }),
});
