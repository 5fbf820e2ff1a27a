/**
 * A NIC that has had no link for a while is put to sleep until it has one, as Linux's runtime power management does.
 * VFIO does not pass wake-up signals (PME) on to its users, so the PHY of a sleeping NIC is checked once a second.
 */
import { plainError } from "./plain-error.ts";
import { type DataPlane, isFinal } from "./recovery.ts";

export const LINK_CHECK_MICROS = 1_000_000;

export interface IdleSleepParts extends Pick<DataPlane, "nic" | "clock" | "event"> {
  /** Time without a link after which the NIC sleeps; undefined if it never sleeps. */
  readonly afterMicros: number | undefined;
  /** Puts the NIC to sleep. @throws the reason that it stays awake */
  readonly sleep: () => void;
  /** Wakes the NIC and brings it up; `woken` is whether it has a link now. @throws the reason that this failed */
  readonly resume: (woken: boolean) => void;
}

export class IdleSleep {
  readonly #parts: IdleSleepParts;
  /** The time since which the NIC has had no link; undefined while it has a link. */
  #since: number | undefined;
  #nextCheck = 0;
  #sleeping = false;

  constructor(parts: IdleSleepParts) {
    this.#parts = parts;
  }

  /** Puts the NIC to sleep or wakes it, if that is due. Must be called often. @throws {DeviceGone} {NicGivenUp} */
  check(): void {
    const { nic, clock, afterMicros } = this.#parts;
    if (afterMicros === undefined) return;
    const now = clock.now();
    // A card that left the bus while it slept is awake when it returns.
    this.#sleeping &&= nic.power.asleep;
    if (this.#sleeping) {
      if (now < this.#nextCheck) return;
      this.#nextCheck = now + LINK_CHECK_MICROS;
      this.#attempt(() => {
        if (nic.power.findLink()) this.wake(true);
      });
    } else if (!nic.running || nic.link.up) this.#since = undefined;
    else {
      this.#since ??= now;
      if (now - this.#since >= afterMicros) this.#sleep(now);
    }
  }

  /** Wakes the NIC if it sleeps. Must be called when the NIC is needed. @throws {DeviceGone} {NicGivenUp} */
  wake(woken = false): void {
    if (!this.#sleeping) return;
    this.#sleeping = false;
    this.#since = undefined;
    this.#attempt(() => this.#parts.resume(woken));
  }

  #sleep(now: number): void {
    const { sleep, event } = this.#parts;
    this.#since = undefined;
    this.#attempt(() => {
      sleep();
      this.#sleeping = true;
      this.#nextCheck = now + LINK_CHECK_MICROS;
      event({ kind: "power", state: "idle" });
    });
  }

  /**
   * Runs `act`, which puts the NIC to sleep or wakes it. If `act` fails and the NIC still sleeps, the error is
   * reported. If `act` fails and the NIC is awake, `act` has started a restart, which is reported separately.
   */
  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (isFinal(error)) throw error;
      if (this.#parts.nic.power.asleep) this.#parts.event({ kind: "warning", ...plainError(error) });
    }
  }
}
