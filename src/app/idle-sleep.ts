/**
 * A NIC that has had no link for a while sleeps until it has one, as with Linux's runtime power management. VFIO does
 * not pass PME on to its users, so the PHY is checked once a second.
 */
import { plainError } from "./plain-error.ts";
import { type DataPlane, isFinal } from "./recovery.ts";

export const LINK_LOOK_MICROS = 1_000_000;

export interface Idle extends Pick<DataPlane, "nic" | "clock" | "event"> {
  /** Time without a link after which the NIC sleeps; undefined: it never sleeps. */
  readonly afterMicros: number | undefined;
  /** Puts the NIC to sleep. @throws the reason that it stays awake */
  readonly rest: () => void;
  /** Wakes the NIC and brings it up. @throws why that failed */
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

  /** Call it often. @throws {DeviceGone} {NicGivenUp} */
  look(): void {
    const { nic, clock, afterMicros } = this.#on;
    if (afterMicros === undefined) return;
    const now = clock.now();
    // If the card has left the bus, it will be awake when it is back.
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

  /** Wakes the NIC; called when it is needed or has a link. @throws {DeviceGone} {NicGivenUp} */
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

  /** Runs `act`. If that leaves the NIC awake and down, the NIC is restarted, which is reported. */
  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (isFinal(error)) throw error;
      if (this.#on.nic.power.asleep) this.#on.event({ kind: "warning", ...plainError(error) });
    }
  }
}
