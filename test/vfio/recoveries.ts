/** How each cause of src/app/causes.ts is provoked in a guest, and the reason that the driver gives. */
import type { CauseName } from "#app/causes.ts";
import type { FaultName } from "#model/faults.ts";

export interface Provocation {
  readonly cause: CauseName;
  /** In the order in which they are armed. Without a count: it lasts until it is cleared, or occurs at once. */
  readonly faults: readonly (readonly [name: FaultName, count?: number])[];
  readonly reason: RegExp;
  /** What is counted from the first provocation on, this cause included. */
  readonly counts: Partial<Record<CauseName, number>>;
  /**
   * Default: a flood of echo requests. `seldom`: one every three seconds, since the next frame's doorbell replaces a lost
   * one. `incoming`: broadcasts that are not replied to, since a sent frame makes the driver poll.
   */
  readonly load?: "seldom" | "incoming";
  /** The NIC must have its full budget of restarts: otherwise it is stopped before it is started, and only its stop meets the fault. */
  readonly steady?: boolean;
}

/** `busErrors` is missing: a guest's kernel reports one only for a card with error reporting, which vfio-user devices do not have. */
export const PROVOCATIONS: readonly Provocation[] = [
  { cause: "absences", faults: [["link-loss"]], reason: /the device is gone.*: waiting/, counts: { absences: 1 } },
  { cause: "phyLosses", faults: [["upset-phy"]], reason: /the PHY lost its settings/, counts: { phyLosses: 1 } },
  {
    cause: "lostInterrupts",
    faults: [["lost-interrupt", 1]],
    reason: /no interrupt arrived/,
    counts: { lostInterrupts: 1 },
    load: "incoming",
  },
  {
    cause: "lostDoorbells",
    faults: [["lost-doorbell", 1]],
    reason: /until the doorbell was rung again/,
    counts: { lostDoorbells: 1 },
    load: "seldom",
  },
  {
    cause: "startFailures",
    faults: [
      ["stuck-reset", 1],
      ["dma-error", 1],
    ],
    reason: /could not be started \(still in reset/,
    counts: { systemErrors: 1, startFailures: 1 },
    steady: true,
  },
  {
    cause: "systemErrors",
    faults: [["dma-error", 1]],
    reason: /system error \(master abort received\): restarting/,
    counts: { systemErrors: 2 },
  },
  {
    cause: "transmitTimeouts",
    faults: [["stuck-transmitter", 2]],
    reason: /sent no frame for 5 s/,
    counts: { transmitTimeouts: 1 },
  },
  { cause: "receiveStalls", faults: [["stuck-receiver", 2]], reason: /drops all frames/, counts: { receiveStalls: 1 } },
];

/** `hurried`: the driver continues after a reset that does not end. `asleep`: it stops a card that has just returned and decodes no addresses yet. */
export const OFFENCES = ["asleep", "hurried"];
