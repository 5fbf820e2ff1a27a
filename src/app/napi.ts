/**
 * Polling as in the kernel's NAPI: an interrupt starts polling with interrupts masked, which ends when there is no work left.
 *
 *     down ◄───────── any state, when the NIC fails ──────────
 *       │ start                                               │
 *       ▼                  interrupt                          │
 *     armed ─────────────────────────────────────────────► polling
 *       │ ▲                                                 ▲ │
 *       │ └───────────── complete: unmask ──────────────────┼─┘
 *       │ schedule: mask           complete: there was one  │
 *       └────────────────► causeUnread ─────────────────────┘
 *
 * From `causeUnread`, which the host's frames start, `complete` leads back to `armed` when the status has nothing.
 */
import type { Nic } from "#driver/rtl8169.ts";

export type NapiState =
  /** The NIC has no rings: it waits for its restart. */
  | "down"
  /** Interrupts are enabled, and the thread may sleep. */
  | "armed"
  /** An interrupt started polling: interrupts are masked, and their cause was acknowledged. */
  | "polling"
  /** The host's frames started polling: interrupts are masked, and their cause was not read. */
  | "causeUnread";

/** Frames of one direction before the other's turn: a whole ring, so that a burst is merged in one piece. */
export const BUDGET = 256;

/** What is polled: a NIC, or one of its queues. */
export type Polled = Pick<Nic, "line" | "interrupt" | "acknowledge" | "mask" | "unmask" | "waiting" | "pending">;

/** Number of consecutive lost interrupts after which the NIC is polled. */
const TRUSTED = 3;

export class Napi {
  /** Interrupts, and those without a cause. */
  interrupts = 0;
  spurious = 0;
  /** Lost interrupts since the last that arrived. */
  #lost = 0;
  /** Number of interrupts when an event was first found pending without one; -1 if there is none. */
  #suspected = -1;
  /** Interrupts are handled elsewhere, by a self-test. */
  lent = false;
  readonly #nic: Polled;
  readonly #handle: (events: number) => void;
  #state: NapiState = "down";

  /** @param handle gets the driver's `Events`; may `stop` polling */
  constructor(nic: Polled, handle: (events: number) => void) {
    this.#nic = nic;
    this.#handle = handle;
  }

  get state(): NapiState {
    return this.#state;
  }

  /** The NIC is up, with its interrupts enabled. */
  start(): void {
    this.#state = "armed";
  }

  /** The NIC is down, or about to be. */
  stop(): void {
    this.#state = "down";
  }

  /** The interrupt line may have an event. @throws {DeviceGone} */
  interrupt(): void {
    if (this.lent || !this.#nic.line.take() || this.#state === "down") return;
    const events = this.#nic.interrupt();
    // The chip's events were acknowledged: an INTx line, which masks itself, may be unmasked.
    this.#nic.line.unmask();
    if (events === 0) {
      this.spurious++;
      return;
    }
    this.interrupts++;
    this.#lost = 0;
    this.#state = "polling";
    this.#handle(events);
  }

  /** Checks whether the device is still present. Its events are handled as after an interrupt. @throws {DeviceGone} */
  checkPresence(): void {
    const events = this.#nic.interrupt();
    if (events === 0 || this.#state === "down") return;
    this.#state = "polling";
    this.#handle(events);
  }

  /**
   * Checks for an event whose interrupt did not arrive: one that is pending at two calls although interrupts are
   * enabled. It is handled. To be called repeatedly, with a wait in between. @throws {DeviceGone}
   */
  findLost(): boolean {
    const suspected = this.#suspected;
    this.#suspected = this.#state === "armed" && this.#nic.pending ? this.interrupts : -1;
    if (this.#suspected < 0 || suspected !== this.interrupts) return false;
    this.#suspected = -1;
    this.#lost++;
    this.checkPresence();
    return true;
  }

  /** Milliseconds that the thread may wait for an interrupt: short if interrupts seem to be lost. */
  get waitMillis(): number {
    if (this.#lost >= TRUSTED) return 2;
    return this.#suspected < 0 ? 250 : 10;
  }

  /**
   * The host has frames. Interrupts are masked, because completions and quick replies are found by polling: an
   * interrupt costs more than the two register accesses that mask and unmask it.
   */
  schedule(): void {
    if (this.#state !== "armed") return;
    this.#state = "causeUnread";
    this.#nic.mask();
  }

  /** There was no work: enables interrupts. False when work arrived meanwhile, for which there may be no interrupt. */
  complete(): boolean {
    if (this.#state === "causeUnread") {
      const events = this.#nic.acknowledge();
      this.#state = "polling";
      // The acknowledged event may have occurred after the last poll of the rings.
      if (events !== 0) {
        this.#handle(events);
        return false;
      }
    }
    if (this.#state !== "polling") return true;
    this.#state = "armed";
    this.#nic.unmask();
    return !this.#nic.waiting;
  }
}

/** Result of a polling round: frames were moved; some were moved, and the host has no more; there was no work. */
export type Outcome = "busy" | "hostDrained" | "idle";

/** Actions of a data-plane thread in a round, and between rounds. */
export interface PollingThread {
  readonly closing: boolean;
  /** Both directions once, a budget of frames each. */
  round(): Outcome;
  /** Runs periodic tasks that are due, such as publishing counters. */
  housekeep(): void;
  /** Calls poll(2) and handles its results. @param block waits for an event; otherwise returns at once */
  wait(block: boolean): void;
  /**
   * Handles an error thrown by the other functions.
   * @throws it, unless the thread can continue
   */
  lose(error: unknown): void;
}

/** Rounds after which even a busy thread calls poll(2), to receive messages of the main thread. */
const MAX_ROUNDS = 16;

/** The loop of every thread that has the driver. Ends when the thread is requested to close. */
export const runNapi = (napi: Napi, thread: PollingThread): void => {
  for (let round = 0; !thread.closing; round++)
    try {
      turn(napi, thread, round);
    } catch (error) {
      thread.lose(error);
    }
};

const turn = (napi: Napi, thread: PollingThread, round: number): void => {
  const outcome = thread.round();
  if (outcome === "busy" && round % MAX_ROUNDS !== 0) return;
  thread.housekeep();
  if (outcome !== "idle") thread.wait(false);
  else if (napi.complete()) thread.wait(true);
};
