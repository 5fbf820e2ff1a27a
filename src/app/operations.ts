/**
 * Executes operations on a NIC that other processes have requested. Operations run in the driver's thread, one at a
 * time and in order, in slices between two rounds of frames. A slow operation is a generator, and frames can be moved
 * at each of its `yield`s. An operation is not started if its requester has given up.
 */
import type { Nic } from "#driver/rtl8169.ts";
import type { Clock } from "#kit/clock.ts";
import type { PciDevice } from "#kit/device.ts";
import { FerruleError, Timeout } from "#kit/errors.ts";
import type { QueueCounts } from "./counters.ts";
import type { Tap } from "#sys/tap.ts";
import type { Argument } from "./argument.ts";
import type { OperateCommand, Report } from "./session-messages.ts";
import { plainError } from "./plain-error.ts";
import type { OffloadSwitches } from "./offload-switches.ts";
import { isFinal } from "./recovery.ts";

/** Time for operations between two rounds of frames; a single step may take longer. */
const SLICE_MICROS = 200;
/** Time after which an operation that has not ended is aborted. */
export const OPERATION_MICROS = 20_000_000;
const MAX_WAITING = 16;
/** Operations for which the machine waits. They are executed before others, and abort a running operation. */
const URGENT: ReadonlySet<string> = new Set(["suspend", "resume", "handOver"]);

/** Objects available to an operation. */
export interface Operated {
  readonly nic: Nic;
  readonly device: PciDevice;
  readonly tap: Tap;
  readonly switches: OffloadSwitches;
  /**
   * Runs `act`, which creates new rings; `what` describes them, for example "512 descriptors".
   * @throws the error of `act`, or {DeviceGone} if the card does not respond; {NicGivenUp} {QueueStuck}
   */
  readonly rebuild: (what: string, act: () => void) => void;
  /** Stops the host's traffic until the result is disposed. Disposing the result creates new rings. */
  readonly withoutHost: () => Disposable;
  /** Counters of each queue's rings since the start. */
  readonly queueCounts: () => readonly QueueCounts[];
}

/**
 * An operation. It checks its argument before it accesses the NIC, and returns a JSON object. If it throws, the error
 * is the reply.
 */
export type Operation = (on: Operated, argument: Argument) => object | Steps;
/** A slow operation. Each step may yield the number of microseconds until the next step. */
export type Steps = Generator<number | void, object>;

/** The requested operation does not exist in this version of the program. */
export class UnknownOperation extends FerruleError {
  readonly code = "UNKNOWN_OPERATION";
  readonly hint = "Both commands must be of the same version: start `ferrule up` again.";
  constructor(name: string) {
    super(`the running \`ferrule up\` has no operation "${name}"`);
  }
}

/** More operations are queued than the limit. */
export class TooManyOperations extends FerruleError {
  readonly code = "TOO_MANY_OPERATIONS";
  readonly hint = "Wait until earlier commands have ended, then try again.";
  constructor() {
    super(`${MAX_WAITING} operations are already waiting`);
  }
}

/** The operation's turn came after the requester's time limit. */
export class OperationTooLate extends FerruleError {
  readonly code = "OPERATION_TOO_LATE";
  readonly hint = "Wait until earlier commands have ended, then try again.";
  constructor(name: string, limitMillis: number) {
    super(`the operation "${name}" was not started: earlier operations took longer than ${limitMillis / 1000} s`);
  }
}

/** An urgent operation arrived while the operation was running. */
export class OperationEnded extends FerruleError {
  readonly code = "OPERATION_ENDED";
  readonly hint = "Try again once the NIC is awake.";
  constructor(name: string, urgent: string) {
    super(`the operation "${name}" was aborted by "${urgent}"`);
  }
}

interface Waiting extends OperateCommand {
  readonly deadline: number;
}

interface Running {
  readonly id: number;
  readonly name: string;
  readonly steps: Steps;
  readonly begun: number;
  readonly end: number;
}

const isGenerator = (value: object): value is Steps => "next" in value && typeof value.next === "function";

export class Operations implements Disposable {
  readonly #table: Readonly<Record<string, Operation>>;
  readonly #on: Operated;
  readonly #clock: Clock;
  readonly #report: (report: Report) => void;
  readonly #waiting: Waiting[] = [];
  #running: Running | undefined;
  /** The time at which the next step is due. */
  #due = 0;

  constructor(parts: {
    table: Readonly<Record<string, Operation>>;
    on: Operated;
    clock: Clock;
    report: (report: Report) => void;
  }) {
    this.#table = parts.table;
    this.#on = parts.on;
    this.#clock = parts.clock;
    this.#report = parts.report;
  }

  get pending(): boolean {
    return this.#running !== undefined || this.#waiting.length > 0;
  }

  submit(command: OperateCommand): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.refuse(command.id, new TooManyOperations());
      return;
    }
    const waiting = { ...command, deadline: this.#clock.now() + command.limitMillis * 1000 };
    if (!URGENT.has(command.operation)) {
      this.#waiting.push(waiting);
      return;
    }
    // An urgent operation is inserted after other urgent ones.
    const place = this.#waiting.findIndex(({ operation }) => !URGENT.has(operation));
    this.#waiting.splice(place < 0 ? this.#waiting.length : place, 0, waiting);
    this.#due = 0;
  }

  /**
   * Executes operations for one slice. Returns at once if none is pending.
   * @throws {DeviceGone} {NicGivenUp}
   */
  run(): void {
    if (!this.pending || this.#clock.now() < this.#due) return;
    const end = this.#clock.now() + SLICE_MICROS;
    do this.#step();
    while (this.pending && this.#clock.now() < end && this.#clock.now() >= this.#due);
  }

  /** Aborts the running operation, and drops the waiting ones. */
  [Symbol.dispose](): void {
    this.#waiting.length = 0;
    this.#running?.steps.return({});
    this.#running = undefined;
  }

  #step(): void {
    const running = this.#running;
    const next = this.#waiting[0]?.operation;
    if (running === undefined) this.#begin(this.#waiting.shift());
    else if (next !== undefined && URGENT.has(next)) this.#attempt(running.id, () => endFor(next, running));
    else this.#attempt(running.id, () => this.#advance(running));
  }

  #begin(command: Waiting | undefined): void {
    if (command === undefined) return;
    const { id, operation: name, argument, limitMillis, deadline } = command;
    this.#attempt(id, () => {
      const now = this.#clock.now();
      if (now >= deadline) throw new OperationTooLate(name, limitMillis);
      const operation = Object.hasOwn(this.#table, name) ? this.#table[name] : undefined;
      if (operation === undefined) throw new UnknownOperation(name);
      const value = operation(this.#on, argument);
      if (isGenerator(value))
        this.#running = { id, name, steps: value, begun: now, end: Math.min(now + OPERATION_MICROS, deadline) };
      else this.#report({ report: "answer", id, value });
    });
  }

  #advance({ id, name, steps, begun, end }: Running): void {
    const now = this.#clock.now();
    const next =
      now >= end
        ? steps.throw(new Timeout({ what: `the operation "${name}"`, waitedMicros: now - begun }))
        : steps.next();
    this.#due = next.done === true ? 0 : this.#clock.now() + (next.value ?? 0);
    if (next.done !== true) return;
    this.#running = undefined;
    this.#report({ report: "answer", id, value: next.value });
  }

  /**
   * Runs `act`. If `act` throws, the error is the reply. An error that means that the NIC has stopped is also thrown.
   */
  #attempt(id: number, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#running = undefined;
      this.#due = 0;
      this.refuse(id, error);
      if (isFinal(error)) throw error;
    }
  }

  /** Answers a request with an error. */
  refuse(id: number, error: unknown): void {
    this.#report({ report: "answer", id, error: plainError(error) });
  }
}

/**
 * Ends a running operation, so that it restores what it has changed.
 * @throws {OperationEnded}, or the error of the operation's clean-up
 */
const endFor = (urgent: string, { name, steps }: Running): never => {
  steps.return({});
  throw new OperationEnded(name, urgent);
};
