/**
 * Sleep of the NIC when the machine is suspended, or powered off with wake-up events enabled. The kernel freezes a
 * process without notice. Before that, systemd runs `ferrule suspend`, which enables wake-up events and puts the NIC to
 * sleep. If systemd did not run that command, the thread detects the suspend afterwards by comparing two clocks, and
 * starts the NIC from the beginning. A new start is needed because the kernel has put the card into D3 and back, and
 * the card loses most of its state in D3.
 */
import { uptime } from "node:os";
import { IdleSleep } from "./idle-sleep.ts";
import type { Operation } from "./operations.ts";
import { plainError } from "./plain-error.ts";
import { type DataPlane, isFinal } from "./recovery.ts";
import { lettersOf } from "./wake-letters.ts";

/** The interval at which the clocks are compared. */
const CHECK_MICROS = 250_000;
/** The smallest jump of the difference between the clocks that means a suspend. */
const JUMP_SECONDS = 0.5;

export interface SleepParts extends DataPlane {
  /** Takes the NIC down and restarts it; `detail` is the reason. @throws {NicGivenUp} {DeviceGone} */
  readonly fail: (cause: "startFailures", detail: string) => void;
  /** Time without a link after which the NIC sleeps; undefined if it never sleeps. */
  readonly withoutLinkMicros?: number | undefined;
  /**
   * Seconds for which the machine has been suspended since an arbitrary start; only differences of this value have a
   * meaning.
   */
  readonly suspendedSeconds?: () => number;
}

/** The difference of two clocks: CLOCK_BOOTTIME advances while the machine is suspended, CLOCK_MONOTONIC does not. */
const suspendedSeconds = (): number => uptime() - performance.now() / 1000;

export class SystemSleep {
  /** Operations that other processes request, with `ferrule suspend`, `resume` and `down --wake`. */
  readonly operations: Readonly<Record<string, Operation>>;
  readonly #parts: SleepParts;
  readonly #suspended: () => number;
  readonly #idle: IdleSleep;
  #seconds: number;
  #nextCheck = 0;
  #handedOver = false;

  constructor(parts: SleepParts) {
    this.#parts = parts;
    this.#suspended = parts.suspendedSeconds ?? suspendedSeconds;
    this.#seconds = this.#suspended();
    this.#idle = new IdleSleep({
      ...parts,
      afterMicros: parts.withoutLinkMicros,
      sleep: () => this.#sleepIdle(),
      resume: (woken) => this.resume(woken),
    });
    this.operations = {
      suspend: () => this.suspend(),
      resume: () => this.resume(),
      handOver: () => this.handOver(),
    };
  }

  /** Whether the NIC sleeps. Nothing else may access a sleeping NIC. */
  get asleep(): boolean {
    return this.#parts.nic.power.asleep;
  }

  /**
   * Puts the NIC into D3hot with the enabled wake-up events; the carrier goes down.
   * @throws the reason that this failed; a NIC that is awake is then restarted
   */
  suspend(): { readonly asleep: true; readonly armed: string } {
    const { nic, retire, carrier, event } = this.#parts;
    const armed = lettersOf(nic.wake.armed);
    if (this.asleep) return { asleep: true, armed };
    retire();
    this.#attempt("suspend", () => nic.power.suspend());
    carrier();
    event({ kind: "power", state: "suspended", armed });
    return { asleep: true, armed };
  }

  /**
   * Brings the NIC back to its state before `suspend`.
   * @param found whether the NIC slept for lack of a link, and has a link now
   * @throws the reason that it stays asleep or down; a NIC that is down is restarted
   */
  resume(found = false): { readonly asleep: boolean; readonly woken: boolean } {
    const { nic, connect, carrier, event } = this.#parts;
    if (!this.asleep || this.#handedOver) return { asleep: this.asleep, woken: false };
    const { link, woken: signalled } = this.#attempt("resume", () => nic.power.resume());
    const woken = signalled || found;
    if (link !== undefined) connect();
    carrier();
    event({ kind: "power", state: "resumed", woken });
    return { asleep: false, woken };
  }

  /**
   * Wakes a NIC that sleeps because it has no link. Must be called before such a NIC is used.
   * @throws {DeviceGone} {NicGivenUp}
   */
  wakeIdle(): void {
    this.#idle.wake();
  }

  /**
   * Stops the NIC for good, and leaves it to the firmware or the next driver: asleep if wake-up events are enabled,
   * otherwise awake.
   * @throws the reason that this failed; a NIC that is awake is then restarted
   */
  handOver(): { readonly asleep: boolean; readonly armed: string } {
    const { nic, retire, carrier } = this.#parts;
    if (!this.#handedOver) {
      retire();
      this.#attempt("shutdown", () => nic.power.shutdown({ wake: true }));
      this.#handedOver = true;
      carrier();
    }
    return { asleep: this.asleep, armed: lettersOf(nic.wake.armed) };
  }

  /**
   * Detects a suspend of the machine, and puts the NIC to sleep or wakes it when that is due. Must be called often.
   * Returns whether the NIC is awake, so that recovery may check it.
   * @throws {DeviceGone} {NicGivenUp}
   */
  check(): boolean {
    const now = this.#parts.clock.now();
    if (now >= this.#nextCheck) {
      this.#nextCheck = now + CHECK_MICROS;
      const before = this.#seconds;
      this.#seconds = this.#suspended();
      if (this.#seconds - before > JUMP_SECONDS) this.#afterSuspend();
    }
    this.#idle.check();
    return !this.asleep;
  }

  #sleepIdle(): void {
    const { nic, retire, carrier } = this.#parts;
    retire();
    this.#attempt("sleep without a link", () => nic.power.sleepIdle());
    carrier();
  }

  /** Resumes or restarts the NIC after the machine was suspended. @throws {DeviceGone} {NicGivenUp} */
  #afterSuspend(): void {
    try {
      if (this.asleep) this.resume();
      else if (this.#parts.nic.running) this.#startAgain();
    } catch (error) {
      if (isFinal(error)) throw error;
      // A NIC that is awake is restarted, and the restart is reported. Only a NIC that still sleeps needs a warning
      // here.
      if (this.asleep) this.#parts.event({ kind: "warning", ...plainError(error) });
    }
  }

  #startAgain(): void {
    const { nic, retire, connect, carrier, event } = this.#parts;
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

  /** Runs `act`. If `act` fails and the NIC is awake, restarts the NIC. @throws what `act` throws; {NicGivenUp} */
  #attempt<T>(what: string, act: () => T): T {
    try {
      return act();
    } catch (error) {
      if (!isFinal(error) && !this.asleep) this.#parts.fail("startFailures", `${what}: ${plainError(error).message}`);
      throw error;
    }
  }
}
