/** What goes wrong with a NIC that runs: a row for each cause. A cause is named as its counter is. */
import { RESTART_DELAYS_MICROS, STEADY_MICROS } from "./restart-budget.ts";

interface Cause {
  readonly what: string;
  /**
   * What is done. `nothing`: the driver goes on. `phy`: the PHY is restarted. `restart`: the NIC is reset and keeps its link; where
   * that does not help, it is started from the beginning. `wait`: for the card to answer again, then as from power-on.
   */
  readonly remedy: "nothing" | "phy" | "restart" | "wait";
  readonly hint: string;
}

const BUDGET = `After ${RESTART_DELAYS_MICROS.length} restarts with less than ${STEADY_MICROS / 1e6} s between them the NIC is given up`;

export const CAUSES = {
  systemErrors: {
    what: "the NIC reported a system error",
    remedy: "restart",
    hint: `${BUDGET}. The kernel log names the access that the bus refused.`,
  },
  transmitTimeouts: {
    what: "the NIC sent nothing for 5 s although its link is up",
    remedy: "restart",
    hint: `${BUDGET}. Sleep states of the PCI Express link are often the reason: the chip does not enter them any more.`,
  },
  receiveStalls: {
    what: "the NIC loses all frames although its receive ring has room",
    remedy: "restart",
    hint: `${BUDGET}.`,
  },
  startFailures: {
    what: "the NIC could not be started",
    remedy: "restart",
    hint: `${BUDGET}.`,
  },
  phyLosses: {
    what: "the PHY lost its settings, or does not answer",
    remedy: "phy",
    hint: "An electrostatic discharge does that. After three attempts the whole NIC is restarted.",
  },
  absences: {
    what: "the card does not answer",
    remedy: "wait",
    hint: "--wait-for-card SECONDS says for how long; 0 ends the session at once.",
  },
  busErrors: {
    what: "the bus reported an uncorrectable error",
    remedy: "wait",
    hint: "The kernel log has the details: `sudo dmesg | grep -i aer`.",
  },
  lostDoorbells: {
    what: "a descriptor waited for 0.5 s until the doorbell was rung again",
    remedy: "nothing",
    hint: "Frames were late, none is lost. A partner that sends many pause frames looks the same.",
  },
  lostInterrupts: {
    what: "the NIC had an event but its interrupt did not arrive",
    remedy: "nothing",
    hint: "The event was found by polling. While interrupts go on missing, the NIC is polled every 2 ms.",
  },
} as const satisfies Record<string, Cause>;

export type CauseName = keyof typeof CAUSES;
export const CAUSE_NAMES = Object.keys(CAUSES) as readonly CauseName[];

/** As said of one occurrence. */
export const sentenceOf = (cause: CauseName, detail = ""): string =>
  detail === "" ? CAUSES[cause].what : `${CAUSES[cause].what} (${detail})`;
