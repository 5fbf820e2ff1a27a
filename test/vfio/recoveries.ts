/** How each cause of src/app/causes.ts is provoked in a guest, and the reason that the driver gives. */
import type { CauseName } from "#app/causes.ts";
import type { FaultName } from "#model/faults.ts";

export interface Provocation {
  readonly cause: CauseName;
  /**
   * The faults, in the order in which they are armed. A fault without a count either lasts until it is cleared, or
   * occurs once, at the moment at which it is armed.
   */
  readonly faults: readonly (readonly [name: FaultName, count?: number])[];
  readonly reason: RegExp;
  /** The counts of causes after this provocation, including those of earlier provocations. */
  readonly counts: Partial<Record<CauseName, number>>;
  /**
   * The load during the fault; default: a flood of echo requests. With `seldom` there is one request every three
   * seconds, because the doorbell of a frame that follows soon would replace a lost one. With `incoming` there are only
   * broadcasts without replies, because a sent frame makes the driver poll.
   */
  readonly load?: "seldom" | "incoming";
  /**
   * Whether to wait until the NIC has its full budget of restarts. The failures of a series together would exhaust it.
   * With a smaller budget, the NIC is also started some time after it is stopped, and `stuck-reset` would affect only
   * the stop.
   */
  readonly steady?: boolean;
}

/**
 * The causes that are provoked. `busErrors` and `registerTimeouts` are not among them. A guest's kernel reports a bus
 * error only for a card with error reporting, which vfio-user devices do not have. While the RTL8168H runs, the driver
 * waits for no register but the PHY's, and a PHY that does not respond is `phyLosses`.
 */
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
    steady: true,
  },
  {
    cause: "receiveStalls",
    faults: [["stuck-receiver", 2]],
    reason: /drops all frames/,
    counts: { receiveStalls: 1 },
    steady: true,
  },
];

/**
 * Offences that these provocations cause. `hurried`: the driver continues after a reset that does not end. `asleep`:
 * the driver stops a card that has just returned, and that decodes no addresses yet.
 */
export const OFFENCES = ["asleep", "hurried"];
