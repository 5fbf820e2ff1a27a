/**
 * Polling as in the kernel's NAPI. An interrupt starts polling and masks interrupts; polling ends when there is no work
 * left.
 *
 *     down ◄───────── any state, when the NIC fails ──────────
 *       │ start                                               │
 *       ▼                  interrupt                          │
 *     armed ─────────────────────────────────────────────► polling
 *       │ ▲                                                 ▲ │
 *       │ └───────────── complete: unmask ──────────────────┼─┘
 *       │ schedule: mask           complete: an event       │
 *       └────────────────► causeUnread ─────────────────────┘
 *
 * Frames of the host lead to `causeUnread`. From there `complete` leads to `polling` if the interrupt status has an
 * event, and to `armed` if it has none.
 */
import type { Nic } from "#driver/rtl8169.ts";

export type NapiState =
  /** The NIC has no rings, because it was stopped or waits for its restart. */
  | "down"
  /** Interrupts are enabled, and the thread may sleep. */
  | "armed"
  /** An interrupt started polling: interrupts are masked, and the cause of that interrupt was acknowledged. */
  | "polling"
  /** Frames of the host started polling: interrupts are masked, and the interrupt status was not read yet. */
  | "causeUnread";

/**
 * Maximum number of frames that are moved in one direction before the other direction gets its turn. It is the default
 * size of a ring, so that all frames of a full ring are in one burst and can be merged.
 */
export const BUDGET = 256;

/** What is polled: a NIC, or one of its queues. */
export type Polled = Pick<Nic, "line" | "interrupt" | "acknowledge" | "mask" | "unmask" | "waiting" | "pending">;

/** Number of consecutive lost interrupts after which the NIC is polled. */
const MAX_LOST = 3;

export class Napi {
  /** Number of interrupts that had a cause. */
  interrupts = 0;
  /** Number of interrupts without a cause. */
  spurious = 0;
  /** Number of interrupts lost since the last one that arrived. */
  #lost = 0;
  /**
   * The value of `interrupts` when an event was first seen whose interrupt has not arrived; -1 if there is no such
   * event.
   */
  #suspected = -1;
  /** Whether a self-test, and not this object, handles the interrupts now. */
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

  /** Goes to `armed`. Must be called when the NIC is up and its interrupts are enabled. */
  start(): void {
    this.#state = "armed";
  }

  /** Goes to `down`. Must be called when the NIC is down, or before it is stopped. */
  stop(): void {
    this.#state = "down";
  }

  /** Handles an interrupt if the line has one. @throws {DeviceGone} */
  interrupt(): void {
    if (this.lent || !this.#nic.line.take() || this.#state === "down") return;
    const events = this.#nic.interrupt();
    // VFIO masks an INTx line when it fires. The chip's events are acknowledged now, so the line can be unmasked.
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

  /**
   * Reads the interrupt status, which shows whether the device is still present. Events in it are handled as after an
   * interrupt.
   * @throws {DeviceGone}
   */
  checkPresence(): void {
    const events = this.#nic.interrupt();
    if (events === 0 || this.#state === "down") return;
    this.#state = "polling";
    this.#handle(events);
  }

  /**
   * Looks for an event whose interrupt did not arrive: an event that is pending at two successive calls although
   * interrupts are enabled. If there is such an event, handles it and returns true. Must be called repeatedly, with a
   * wait between calls.
   * @throws {DeviceGone}
   */
  checkLostInterrupts(): boolean {
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
    if (this.#lost >= MAX_LOST) return 2;
    return this.#suspected < 0 ? 250 : 10;
  }

  /**
   * Starts polling because the host has frames. Interrupts are masked, because polling finds completions and quick
   * replies without them, and an interrupt costs more than the two register accesses that mask and unmask. Has no effect
   * with a level-triggered line, whose interrupts cannot be masked in this way: see `InterruptLine.level`.
   */
  schedule(): void {
    if (this.#state !== "armed" || this.#nic.line.level) return;
    this.#state = "causeUnread";
    this.#nic.mask();
  }

  /**
   * Ends polling after a round without work, and enables interrupts. Returns false if work has arrived meanwhile, for
   * which there may be no interrupt.
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

/** The functions that a data-plane thread calls in a round, and between rounds. */
export interface PollingThread {
  readonly closing: boolean;
  /** Moves frames once in each direction, up to a budget in each. */
  round(): Outcome;
  /** Runs periodic tasks that are due, such as publishing counters. */
  housekeep(): void;
  /** Calls poll(2) and handles its results. @param block whether to wait for an event */
  wait(block: boolean): void;
  /**
   * Handles an error thrown by the other functions. @throws the reason that the thread cannot continue
   */
  handleError(error: unknown): void;
}

/** Number of rounds after which even a busy thread calls poll(2), so that it receives messages from the main thread. */
const MAX_ROUNDS = 16;

/** Runs the loop of a thread that polls a NIC or a queue, until the thread is asked to close. */
export const runNapi = (napi: Napi, thread: PollingThread): void => {
  for (let round = 0; !thread.closing; round++)
    try {
      turn(napi, thread, round);
    } catch (error) {
      thread.handleError(error);
    }
};

const turn = (napi: Napi, thread: PollingThread, round: number): void => {
  const outcome = thread.round();
  if (outcome === "busy" && round % MAX_ROUNDS !== 0) return;
  thread.housekeep();
  if (outcome !== "idle") thread.wait(false);
  else if (napi.complete()) thread.wait(true);
};
