/** Reports the first loss of each kind. Later ones are only counted. */

const COUNTED = "Only the first loss of this kind is reported; the counter is in the summary at the end";

/** Counters that should stay 0, each with the message for its first loss. */
const MEANINGS = {
  sendDrops: "a frame from the host was dropped: it was too long, or its virtio header did not match",
  receiveDrops: "the host's kernel refused a received frame",
  receiveErrors: "the NIC marked a received frame as bad",
  deviceNonsense: "the NIC wrote an invalid word into a descriptor; it was ignored",
  fifoOverflows: "the NIC's receive FIFO was full, and a frame was lost",
  wireDrops: "a frame was lost between the NIC and the far end of its wire",
  missedFrames: "a frame arrived for which the NIC had no descriptor",
} as const;
export type Loss = keyof typeof MEANINGS;

export interface Warning {
  readonly kind: "warning";
  readonly message: string;
  readonly hint: string;
}

export class FirstLosses {
  readonly #seen = new Set<Loss>();
  readonly #report: (warning: Warning) => void;

  constructor(report: (warning: Warning) => void) {
    this.#report = report;
  }

  /** Reports each counter that is no longer 0 and was not reported before. */
  check(counters: Readonly<Partial<Record<Loss, number>>>): void {
    for (const [name, count] of Object.entries(counters) as [Loss, number][]) {
      if (count === 0 || this.#seen.has(name)) continue;
      this.#seen.add(name);
      this.#report({ kind: "warning", message: MEANINGS[name], hint: `${COUNTED} (\`${name}\`).` });
    }
  }
}
