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

/**
 * Limit of frames of one direction before the other gets its turn: as many as fill a ring, so that a burst is merged in
 * one piece.
 */
export const BUDGET = 256;

/** What is polled: a NIC, or one of its queues. */
export type Polled = Pick<Nic, "line" | "interrupt" | "acknowledge" | "mask" | "unmask" | "waiting" | "pending">;

/** After this many consecutive lost interrupts, the NIC is polled. */
const TRUSTED = 3;

export class Napi {
  /** Number of interrupts, and of interrupts without a cause. */
  interrupts = 0;
  spurious = 0;
  /** Number of lost interrupts since the last one that arrived. */
  #lost = 0;
  /** The value of `interrupts` when a pending event without interrupt was first seen; -1 if there is none. */
  #suspected = -1;
  /** Whether interrupts are handled by a self-test instead. */
  lent = false;
  readonly #nic: Polled;
  readonly #handle: (events: number) => void;
  #state: NapiState = "down";

  /** @param handle called with the driver's `Events`; may call `stop` */
  constructor(nic: Polled, handle: (events: number) => void) {
    this.#nic = nic;
    this.#handle = handle;
  }

  get state(): NapiState {
    return this.#state;
  }

  /** Call when the NIC is up, with its interrupts enabled. */
  start(): void {
    this.#state = "armed";
  }

  /** Call when the NIC is down or will be stopped. */
  stop(): void {
    this.#state = "down";
  }

  /** Call when the interrupt line may have an event. @throws {DeviceGone} */
  interrupt(): void {
    if (this.lent || !this.#nic.line.take() || this.#state === "down") return;
    const events = this.#nic.interrupt();
    // The chip's events were acknowledged, so an INTx line, which masks itself, can be unmasked.
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
   * enabled. Handles it. Call this repeatedly, with a wait between calls. @throws {DeviceGone}
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

  /** Limit in milliseconds for the wait for an interrupt; short if interrupts seem to be lost. */
  get waitMillis(): number {
    if (this.#lost >= TRUSTED) return 2;
    return this.#suspected < 0 ? 250 : 10;
  }

  /**
   * Call when the host has frames. Masks interrupts, because polling finds completions and quick replies: an interrupt
   * costs more than the two register accesses that mask and unmask it.
   */
  schedule(): void {
    if (this.#state !== "armed") return;
    this.#state = "causeUnread";
    this.#nic.mask();
  }

  /**
   * Call when there was no work. Enables interrupts. Returns false if work arrived meanwhile, for which there may be no
   * interrupt.
   */
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

/**
 * Result of a polling round. `busy`: frames were moved. `hostDrained`: frames were moved, and the host has no more.
 * `idle`: there was no work.
 */
export type Outcome = "busy" | "hostDrained" | "idle";

/** Actions of a data-plane thread in a round, and between rounds. */
export interface PollingThread {
  readonly closing: boolean;
  /** Moves frames in both directions once, up to a budget in each. */
  round(): Outcome;
  /** Runs periodic tasks that are due, such as publishing counters. */
  housekeep(): void;
  /** Calls poll(2) and handles its results. @param block waits for an event; otherwise returns at once */
  wait(block: boolean): void;
  /**
   * Handles an error thrown by the other functions. @throws the same error, unless the thread can continue
   */
  lose(error: unknown): void;
}

/** After this many rounds, even a busy thread calls poll(2), so that it receives messages of the main thread. */
const MAX_ROUNDS = 16;

/** The loop of every thread that runs the driver. It ends when the thread is asked to close. */
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
