/**
 * Sleep of the NIC: when the machine is suspended, or powered off with wake-up armed.
 *
 * The kernel freezes a process without notice. `ferrule suspend`, which systemd runs before that, arms wake-up and puts
 * the NIC to sleep. Without it, the thread detects the suspend afterwards by comparing clocks, and starts the NIC from
 * the beginning: the kernel has put the card into D3 and back, which loses most of its state.
 */
import { uptime } from "node:os";
import { IdleSleep } from "./idle-sleep.ts";
import type { Operation } from "./operations.ts";
import { plainError } from "./plain-error.ts";
import { type DataPlane, isFinal } from "./recovery.ts";
import { lettersOf } from "./wake-letters.ts";

/** Interval of clock checks; and the difference of the clocks that means a suspend. */
const LOOK_MICROS = 250_000;
const JUMP_SECONDS = 0.5;

export interface Slept extends DataPlane {
  /** Restarts the NIC, which was left down. `detail` is the reason. @throws {NicGivenUp} */
  readonly fail: (cause: "startFailures", detail: string) => void;
  /** How long the NIC has no link before it sleeps; undefined: for ever. */
  readonly withoutLinkMicros?: number | undefined;
  /** Seconds that the machine has spent suspended, since an arbitrary time. */
  readonly suspendedSeconds?: () => number;
}

/** CLOCK_BOOTTIME advances while the machine is suspended, CLOCK_MONOTONIC does not. */
const suspendedSeconds = (): number => uptime() - performance.now() / 1000;

export class SystemSleep {
  /** Operations for other processes: `ferrule suspend`, `resume`, `down --wake`. */
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

  /** The NIC sleeps: nothing else may access it. */
  get asleep(): boolean {
    return this.#on.nic.power.asleep;
  }

  /**
   * The NIC enters D3hot with the armed events; the carrier goes down. @throws if that fails; the NIC is then restarted
   */
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

  /** Hands the NIC over to the firmware or the next driver, asleep if wake-up is armed. Ends the session. */
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

  /**
   * To be called often. Returns whether recovery may check the NIC: not while it sleeps.
   * @throws {DeviceGone}
   */
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
      // A NIC that is awake is restarted, which is reported.
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
      hint: "Wake-up was not armed. Install share/systemd/system-sleep/ferrule, so that systemd notifies Ferrule.",
    });
  }

  /** Restarts the NIC if `act` leaves it down and awake. @throws what `act` throws; {NicGivenUp} */
  #attempt<T>(what: string, act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!isFinal(error) && !this.asleep) this.#on.fail("startFailures", `${what}: ${plainError(error).message}`);
      throw error;
    }
  }
}
