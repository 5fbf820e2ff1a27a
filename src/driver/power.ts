/** A NIC's way to D3hot and back. What it has been set to is kept by its parts, which put it back at the next start. */
import { DeviceGone } from "#kit/errors.ts";
import type { Phy } from "./phy.ts";
import type { NicParts } from "./nic-options.ts";
import type { RunningNic } from "./rings.ts";
import { restoreStationAddress } from "./station-address.ts";
import type { Wake } from "./wake.ts";

/** What of the NIC is needed here. */
export interface Sleeper {
  readonly wake: Wake;
  readonly phy: Phy;
  readonly running: boolean;
  up(): RunningNic;
  down(): void;
  /** As `down`, with `rest` run in place of what the PHY gets there. */
  stop(rest: () => void): void;
}

export interface Resumed {
  /** The new rings of a NIC that was up. */
  readonly link: RunningNic | undefined;
  /** Something that was armed has happened. */
  readonly woken: boolean;
}

export class Power {
  readonly #parts: NicParts;
  readonly #nic: Sleeper;
  /** Suspended until `resume`, or handed over to the next driver. */
  #state: "awake" | "suspended" | "handed over" = "awake";
  #wasUp = false;

  constructor(parts: NicParts, nic: Sleeper) {
    this.#parts = parts;
    this.#nic = nic;
  }

  /** Whether it sleeps: registers do not respond. */
  get asleep(): boolean {
    return this.#state !== "awake";
  }

  /**
   * Stops a NIC that is up, and enters D3hot with what `wake` has armed. Rings are freed; `resume` makes new ones.
   * @throws {ResetTimeout}; and then it is down and awake
   */
  suspend(): void {
    this.#enter("suspended");
  }

  /**
   * As `suspend`, for a NIC without a link: its PHY stays as it is, and nothing is armed or signalled. `findLink` says when there is one.
   * @throws {ResetTimeout}; and then it is down and awake
   */
  rest(): void {
    if (this.asleep) return;
    this.#wasUp = this.#nic.running;
    if (this.#wasUp) this.#nic.stop(() => {});
    this.#parts.device.power.sleep(this.#parts.options.clock, false);
    this.#state = "suspended";
  }

  /** Whether a sleeping NIC's PHY has a link. It is in D0 meanwhile, for 20 ms. @throws {DeviceGone} {Asleep} {SideBusTimeout} */
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
   * Back to D0, and up again if it was up, with every setting as before.
   * @throws {DeviceGone} {Asleep}; whatever `up` throws, and then it is down and awake
   */
  resume(): Resumed {
    const woken = this.#wake();
    return { link: this.#wasUp || this.#nic.running ? this.#nic.up() : undefined, woken };
  }

  /**
   * Leaves the chip to the firmware or the next driver: stopped, with its own address; in D0, or asleep with `wake` armed, which then outlives
   * this driver. Nothing but `resume` may be called afterwards. @throws {ResetTimeout}
   */
  shutdown(options: { readonly wake: boolean }): void {
    this.#nic.down();
    this.#wasUp = false;
    this.restoreAddress();
    if (options.wake && this.#nic.wake.armed.length > 0) this.#enter("handed over");
  }

  /** The station address that the chip had before this driver came. Nothing where it sleeps. */
  restoreAddress(): void {
    if (!this.asleep) restoreStationAddress(this.#parts.hw, this.#parts.original);
  }

  /** A suspended NIC is woken, and is down. One whose card left the bus counts as awake: registers respond when it is back. @throws {Asleep} */
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

  /** Nothing where it is awake. Returns whether something has woken it. @throws {DeviceGone} {Asleep} */
  #wake(): boolean {
    if (!this.asleep) return false;
    const { device, options } = this.#parts;
    const woken = device.power.wake(options.clock);
    this.#state = "awake";
    return woken;
  }
}
