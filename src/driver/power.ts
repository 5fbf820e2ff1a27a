/**
 * Suspends a NIC to D3hot and resumes it. Each part of the driver keeps its settings and writes them again at the next
 * start.
 */
import { DeviceGone } from "#kit/errors.ts";
import type { Phy } from "./phy.ts";
import type { NicParts } from "./nic-options.ts";
import type { RunningNic } from "./rings.ts";
import { restoreStationAddress } from "./station-address.ts";
import type { Wake } from "./wake.ts";

/** The parts of the NIC that are used here. */
export interface Sleeper {
  readonly wake: Wake;
  readonly phy: Phy;
  readonly running: boolean;
  up(): RunningNic;
  down(): void;
  /** Like `down`, but runs `afterStop` instead of powering the PHY down. */
  stop(afterStop: () => void): void;
}

export interface Resumed {
  /** The `Link` with new rings, if the NIC was up before it slept. */
  readonly link: RunningNic | undefined;
  /** True if an enabled wake-up event has occurred. */
  readonly woken: boolean;
}

export class Power {
  readonly #parts: NicParts;
  readonly #nic: Sleeper;
  /** "suspended" until `resume`; "handed over": the next driver may use the chip. */
  #state: "awake" | "suspended" | "handed over" = "awake";
  #wasUp = false;

  constructor(parts: NicParts, nic: Sleeper) {
    this.#parts = parts;
    this.#nic = nic;
  }

  /** True while the NIC sleeps: its registers do not respond. */
  get asleep(): boolean {
    return this.#state !== "awake";
  }

  /**
   * Stops a NIC that is up, and enters D3hot with the wake-up events of `wake` enabled. The rings are freed; `resume`
   * allocates new ones.
   * @throws {ResetTimeout}; the NIC is then down and awake
   */
  suspend(): void {
    this.#enter("suspended");
  }

  /**
   * Like `suspend`, but for a NIC without a link: the PHY stays as it is, and no wake-up event is enabled or signalled.
   * `findLink` reports whether the link has come back.
   * @throws {ResetTimeout}; the NIC is then down and awake
   */
  sleepIdle(): void {
    if (this.asleep) return;
    this.#wasUp = this.#nic.running;
    if (this.#wasUp) this.#nic.stop(() => {});
    this.#parts.device.power.sleep(this.#parts.options.clock, false);
    this.#state = "suspended";
  }

  /**
   * True if the PHY of a sleeping NIC has a link. Puts the NIC into D0 for about 10 ms, and takes about 20 ms. @throws
   * {DeviceGone} {Asleep} {SideBusTimeout}
   */
  findLink(): boolean {
    const { device, options } = this.#parts;
    device.power.wake(options.clock);
    try {
      return this.#nic.phy.link().up;
    } finally {
      device.power.sleep(options.clock, false);
    }
  }

  /**
   * Returns to D0, and brings the NIC up if it was up, with all of its settings.
   * @throws {DeviceGone} or {Asleep} if the card does not wake; or whatever `up` throws, with the NIC down and awake
   */
  resume(): Resumed {
    const woken = this.#wake();
    return { link: this.#wasUp || this.#nic.running ? this.#nic.up() : undefined, woken };
  }

  /**
   * Stops the chip and restores the address that it had before this driver, for the firmware or the next driver. If
   * `wake` is true and at least one wake-up event is enabled, the chip then goes to sleep, and the events stay enabled
   * after this driver has ended. Otherwise the chip stays in D0. Only `resume` may be called afterwards. @throws
   * {ResetTimeout}
   */
  shutdown(options: { readonly wake: boolean }): void {
    this.#nic.down();
    this.#wasUp = false;
    this.restoreAddress();
    if (options.wake && this.#nic.wake.armed.length > 0) this.#enter("handed over");
  }

  /** Restores the station address that the chip had before this driver. Does nothing while the NIC sleeps. */
  restoreAddress(): void {
    if (!this.asleep) restoreStationAddress(this.#parts.hw, this.#parts.original);
  }

  /**
   * Wakes a suspended NIC, which is then down. If the card has left the bus, the NIC is regarded as awake: its
   * registers respond when the card is back.
   * @throws {Asleep}
   */
  end(): void {
    if (this.#state !== "suspended") return;
    this.#wasUp = false;
    try {
      this.#wake();
    } catch (error) {
      if (!(error instanceof DeviceGone)) throw error;
      this.#parts.device.registers.resume();
      this.#state = "awake";
    }
  }

  #enter(state: "suspended" | "handed over"): void {
    if (this.asleep) return;
    const { wake, phy, running } = this.#nic;
    const { device, options } = this.#parts;
    const armed = wake.armed.length > 0;
    this.#wasUp = running;
    if (running) this.#nic.stop(() => (armed ? wake.listen() : phy.powerDown()));
    else if (armed) wake.listen();
    device.power.sleep(options.clock, armed);
    this.#state = state;
  }

  /**
   * Wakes the NIC; does nothing if it is awake. Returns true if an event has woken it. @throws {DeviceGone} {Asleep}
   */
  #wake(): boolean {
    if (!this.asleep) return false;
    const { device, options } = this.#parts;
    const woken = device.power.wake(options.clock);
    this.#state = "awake";
    return woken;
  }
}
