/**
 * What the driver's thread does when the machine is suspended, or powered off with wake-up armed.
 *
 * The kernel freezes a process without notice. `ferrule suspend`, which systemd runs before that, has the NIC armed and put to sleep.
 * Without it the thread sees afterwards that the clock that counts suspended time has jumped, and starts the NIC
 * from the beginning: the kernel has put the card to D3 and back meanwhile, and little of its state is left.
 */
import { uptime } from "node:os";
import { IdleSleep } from "./idle-sleep.ts";
import type { Operation } from "./operations.ts";
import { plainError } from "./plain-error.ts";
import { type DataPlane, isFinal } from "./recovery.ts";
import { lettersOf } from "./wake-letters.ts";

/** Between two looks at the clocks; and by how much they part when the machine was suspended. */
const LOOK_MICROS = 250_000;
const JUMP_SECONDS = 0.5;

export interface Slept extends DataPlane {
  /** The NIC was left down: it is restarted. `detail` is the reason. @throws {NicGivenUp} */
  readonly fail: (cause: "startFailures", detail: string) => void;
  /** How long the NIC has no link before it sleeps; undefined: for ever. */
  readonly withoutLinkMicros?: number | undefined;
  /** Seconds that the machine has spent suspended, from any moment on. */
  readonly suspendedSeconds?: () => number;
}

/** CLOCK_BOOTTIME goes on while the machine is suspended, CLOCK_MONOTONIC does not. */
const suspendedSeconds = (): number => uptime() - performance.now() / 1000;

export class SystemSleep {
  /** For other processes: `ferrule suspend`, `resume`, `down --wake`. */
  readonly operations: Readonly<Record<string, Operation>>;
  readonly #on: Slept;
  readonly #suspended: () => number;
  readonly #idle: IdleSleep;
  #seconds: number;
  #nextLook = 0;
  #handedOver = false;

  constructor(on: Slept) {
    this.#on = on;
    this.#suspended = on.suspendedSeconds ?? suspendedSeconds;
    this.#seconds = this.#suspended();
    this.#idle = new IdleSleep({
      ...on,
      afterMicros: on.withoutLinkMicros,
      rest: () => this.#rest(),
      resume: (woken) => this.resume(woken),
    });
    this.operations = {
      suspend: () => this.suspend(),
      resume: () => this.resume(),
      handOver: () => this.handOver(),
    };
  }

  /** The NIC sleeps: nothing else may touch it. */
  get asleep(): boolean {
    return this.#on.nic.power.asleep;
  }

  /** The NIC enters D3hot with what is armed; its carrier goes. @throws what kept it awake; then it is restarted */
  suspend(): { readonly asleep: true; readonly armed: string } {
    const { nic, retire, carrier, event } = this.#on;
    const armed = lettersOf(nic.wake.armed);
    if (this.asleep) return { asleep: true, armed };
    retire();
    this.#attempt("suspend", () => nic.power.suspend());
    carrier();
    event({ kind: "power", state: "suspended", armed });
    return { asleep: true, armed };
  }

  /** The NIC is as it was before `suspend`. @param found whether it has a link again, for which it slept @throws what keeps it asleep, or down; one that is down is restarted */
  resume(found = false): { readonly asleep: boolean; readonly woken: boolean } {
    const { nic, connect, carrier, event } = this.#on;
    if (!this.asleep || this.#handedOver) return { asleep: this.asleep, woken: false };
    const { link, woken: signalled } = this.#attempt("resume", () => nic.power.resume());
    const woken = signalled || found;
    if (link !== undefined) connect();
    carrier();
    event({ kind: "power", state: "resumed", woken });
    return { asleep: false, woken };
  }

  /** A NIC that sleeps because it has no link is needed. @throws {DeviceGone} {NicGivenUp} */
  rouse(): void {
    this.#idle.rouse();
  }

  /** The NIC is left to the firmware or the next driver, asleep where wake-up is armed. The session is over then. */
  handOver(): { readonly asleep: boolean; readonly armed: string } {
    const { nic, retire, carrier } = this.#on;
    if (!this.#handedOver) {
      retire();
      this.#attempt("shutdown", () => nic.power.shutdown({ wake: true }));
      this.#handedOver = true;
      carrier();
    }
    return { asleep: this.asleep, armed: lettersOf(nic.wake.armed) };
  }

  /** To be called often. Returns whether the NIC may be looked after; not while it sleeps. @throws {DeviceGone} */
  look(): boolean {
    const now = this.#on.clock.now();
    if (now >= this.#nextLook) {
      this.#nextLook = now + LOOK_MICROS;
      const before = this.#seconds;
      this.#seconds = this.#suspended();
      if (this.#seconds - before > JUMP_SECONDS) this.#afterSuspend();
    }
    this.#idle.look();
    return !this.asleep;
  }

  #rest(): void {
    const { nic, retire, carrier } = this.#on;
    retire();
    this.#attempt("sleep without a link", () => nic.power.rest());
    carrier();
  }

  /** The machine was suspended. @throws {DeviceGone} {NicGivenUp} */
  #afterSuspend(): void {
    try {
      if (this.asleep) this.resume();
      else if (this.#on.nic.running) this.#startAgain();
    } catch (error) {
      if (isFinal(error)) throw error;
      // One that is awake is restarted, and that is reported.
      if (this.asleep) this.#on.event({ kind: "warning", ...plainError(error) });
    }
  }

  #startAgain(): void {
    const { nic, retire, connect, carrier, event } = this.#on;
    retire();
    this.#attempt("suspend without notice", () => {
      nic.down();
      nic.up();
    });
    connect();
    carrier();
    event({
      kind: "warning",
      message: "the machine was suspended without notice: the NIC was started again",
      hint: "Wake-up was not armed. Have systemd tell Ferrule: share/systemd/system-sleep/ferrule.",
    });
  }

  /** A NIC that `act` leaves down and awake is restarted. @throws what `act` throws; {NicGivenUp} */
  #attempt<T>(what: string, act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!isFinal(error) && !this.asleep) this.#on.fail("startFailures", `${what}: ${plainError(error).message}`);
      throw error;
    }
  }
}
