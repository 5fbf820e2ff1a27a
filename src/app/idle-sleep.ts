/**
 * Puts a NIC to sleep that has had no link for a while, until it has one, as Linux's runtime power management does.
 * VFIO does not pass PME on to its users, so the PHY of a sleeping NIC is checked once a second.
 */
import { plainError } from "./plain-error.ts";
import { type DataPlane, isFinal } from "./recovery.ts";

export const LINK_LOOK_MICROS = 1_000_000;

export interface Idle extends Pick<DataPlane, "nic" | "clock" | "event"> {
  /** Time without a link after which the NIC sleeps; undefined: it never sleeps. */
  readonly afterMicros: number | undefined;
  /** Puts the NIC to sleep. @throws the reason that it stays awake */
  readonly rest: () => void;
  /** Wakes the NIC and brings it up. @throws the reason that this failed */
  readonly resume: (woken: boolean) => void;
}

export class IdleSleep {
  readonly #on: Idle;
  /** Time since which the NIC has had no link. */
  #since: number | undefined;
  #nextLook = 0;
  #resting = false;

  constructor(on: Idle) {
    this.#on = on;
  }

  /** Puts the NIC to sleep or wakes it, if that is due. Must be called often. @throws {DeviceGone} {NicGivenUp} */
  look(): void {
    const { nic, clock, afterMicros } = this.#on;
    if (afterMicros === undefined) return;
    const now = clock.now();
    // A card that left the bus while it slept is awake when it is back.
    this.#resting &&= nic.power.asleep;
    if (this.#resting) {
      if (now < this.#nextLook) return;
      this.#nextLook = now + LINK_LOOK_MICROS;
      this.#attempt(() => {
        if (nic.power.findLink()) this.rouse(true);
      });
    } else if (!nic.running || nic.link.up) this.#since = undefined;
    else {
      this.#since ??= now;
      if (now - this.#since >= afterMicros) this.#rest(now);
    }
  }

  /** Wakes the NIC if it sleeps, because it is needed or has a link. @throws {DeviceGone} {NicGivenUp} */
  rouse(woken = false): void {
    if (!this.#resting) return;
    this.#resting = false;
    this.#since = undefined;
    this.#attempt(() => this.#on.resume(woken));
  }

  #rest(now: number): void {
    const { rest, event } = this.#on;
    this.#since = undefined;
    this.#attempt(() => {
      rest();
      this.#resting = true;
      this.#nextLook = now + LINK_LOOK_MICROS;
      event({ kind: "power", state: "idle" });
    });
  }

  /**
   * Runs `act`, which sleeps or wakes the NIC. If that fails and the NIC still sleeps, the error is reported. If it
   * fails and the NIC is awake, `act` has started a restart, which is reported on its own.
   */
  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (isFinal(error)) throw error;
      if (this.#on.nic.power.asleep) this.#on.event({ kind: "warning", ...plainError(error) });
    }
  }
}
