/** Causes of failure while a NIC runs, one row for each cause. A cause has the same name as its counter. */
import { RESTART_DELAYS_MICROS, STEADY_MICROS } from "./restart-budget.ts";

interface Cause {
  readonly what: string;
  /**
   * The driver's reaction. `nothing`: it continues. `phy`: it restarts the PHY. `restart`: it resets the NIC without
   * dropping the link; if the NIC fails again, it starts the NIC from the beginning. `wait`: it waits until the card
   * responds again, and then starts the NIC as after power-on.
   */
  readonly remedy: "nothing" | "phy" | "restart" | "wait";
  readonly hint: string;
}

const BUDGET = `After ${RESTART_DELAYS_MICROS.length} restarts less than ${STEADY_MICROS / 1e6} s apart, the driver gives up`;

export const CAUSES = {
  systemErrors: {
    what: "the NIC reported a system error",
    remedy: "restart",
    hint: `${BUDGET}. The kernel log shows which access the bus rejected.`,
  },
  transmitTimeouts: {
    what: "the NIC sent no frame for 5 s although its link is up and frames are waiting",
    remedy: "restart",
    hint: `${BUDGET}. A frequent cause is a power-saving state of the PCI Express link, so the chip no longer enters such states.`,
  },
  receiveStalls: {
    what: "the NIC drops all frames although its receive ring has free descriptors",
    remedy: "restart",
    hint: `${BUDGET}.`,
  },
  startFailures: {
    what: "the NIC could not be started",
    remedy: "restart",
    hint: `${BUDGET}.`,
  },
  phyLosses: {
    what: "the PHY lost its settings, or does not respond",
    remedy: "phy",
    hint: "An electrostatic discharge can cause this. After three attempts the whole NIC is restarted.",
  },
  registerTimeouts: {
    what: "a register of the NIC did not respond in time",
    remedy: "restart",
    hint: `${BUDGET}.`,
  },
  absences: {
    what: "the card does not respond",
    remedy: "wait",
    hint: "--wait-for-card SECONDS sets how long to wait; with 0 the session ends at once.",
  },
  busErrors: {
    what: "the bus reported an uncorrectable error",
    remedy: "wait",
    hint: "The kernel log has the details: `sudo dmesg | grep -i aer`.",
  },
  lostDoorbells: {
    what: "a descriptor was not processed for 0.5 s, until the doorbell was rung again",
    remedy: "nothing",
    hint: "Frames were delayed, but none was lost. Many pause frames from the link partner cause the same symptom.",
  },
  lostInterrupts: {
    what: "the NIC had an event, but no interrupt arrived",
    remedy: "nothing",
    hint: "The event was found by polling. While interrupts are missing, the NIC is polled every 2 ms.",
  },
} as const satisfies Record<string, Cause>;

export type CauseName = keyof typeof CAUSES;
export const CAUSE_NAMES = Object.keys(CAUSES) as readonly CauseName[];

/** The message about one occurrence of a cause. */
export const sentenceOf = (cause: CauseName, detail = ""): string =>
  detail === "" ? CAUSES[cause].what : `${CAUSES[cause].what} (${detail})`;
