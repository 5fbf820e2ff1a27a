/**
 * The chip's clock for the Precision Time Protocol (IEEE 1588): reads, sets, steps and adjusts it. Also returns the
 * timestamps of sent event messages.
 */
import { Timeout, OutOfRange } from "#kit/errors.ts";
import { SideBusTimeout } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import type { NicOptions } from "./nic-options.ts";
import { macClock } from "./ptp-mac.ts";
import { phyClock } from "./ptp-phy.ts";
import { type ClockRegisters, LATEST } from "./ptp-registers.ts";

const CLOCKS = { mac: macClock, phy: phyClock } as const;
const BILLION = 1e9;

/**
 * Exists with the option `timestamps`, on chips that have a clock. Time and rate are kept while the NIC is stopped and
 * across resets. Until the time is set, it counts from a value that the chip chooses. An access is too slow for the
 * path of a frame: for a clock in the PHY it takes about 100 µs.
 */
export class Ptp {
  readonly #clock: ClockRegisters;
  readonly #hw: Hardware;
  readonly #running: () => boolean;
  #rate = 0;
  /**
   * The clock's time at the moment when it was last set or the NIC was last stopped, and `Clock.now()` at that moment.
   */
  #saved: { readonly time: bigint; readonly at: number } | undefined;

  /** @param running true between `up` and `down` */
  constructor(hw: Hardware, place: "mac" | "phy", running: () => boolean) {
    this.#clock = CLOCKS[place](hw);
    this.#hw = hw;
    this.#running = running;
  }

  /** The clock's time in nanoseconds. @throws {OutOfRange} while down; {Timeout}, {SideBusTimeout} without a reply */
  get time(): bigint {
    return this.#up().read();
  }
  /** @throws {OutOfRange} for a time below 0 or above 2^63 - 1 ns; otherwise as the getter of `time` */
  set time(nanos: bigint) {
    this.#up().write(checkTime(nanos));
    this.#note(nanos);
  }

  /**
   * Adds to the time. With a clock in the MAC this takes a read and a write, and the clock loses about 2 µs, the time
   * between the two.
   * @throws as the setter of `time`
   */
  step(nanos: bigint): void {
    const clock = this.#up();
    const time = checkTime(clock.read() + nanos);
    clock.step(nanos);
    this.#note(time);
  }

  /** Largest adjustment of the rate, in parts per billion. */
  get mostAdjustment(): number {
    return Math.floor(this.#clock.maxRate * BILLION);
  }
  /** Deviation from the nominal rate in parts per billion; the chip rounds it to its unit. */
  get adjustment(): number {
    return this.#rate;
  }
  /** @throws {OutOfRange} above `mostAdjustment`; otherwise as the getter of `time` */
  set adjustment(billionths: number) {
    const max = this.mostAdjustment;
    if (!(Math.abs(billionths) <= max))
      throw new OutOfRange(
        `an adjustment of ${billionths} ppb`,
        `This clock's rate can be changed by at most ${max} ppb.`,
      );
    this.#up().setRate(billionths / BILLION);
    this.#rate = billionths;
  }

  /**
   * The time at which the last event message was sent; undefined if no message was sent since the last call, or the
   * chip has not stamped it yet. Send one event message at a time.
   * @throws as the getter of `time`
   */
  sent(): bigint | undefined {
    return this.#up().sent();
  }

  /**
   * @internal A function that returns the timestamp of the last received event message of a type, or undefined if the
   * PHY has none or does not respond. Undefined if the timestamps are in descriptors.
   */
  get received(): ((message: number) => bigint | undefined) | undefined {
    const { received } = this.#clock;
    return received && ((message) => this.#tryRead(() => received(message)));
  }

  /**
   * @internal Called before the chip is stopped: saves the time. If the chip does not respond, or its clock is not
   * enabled, the time saved before is kept.
   */
  save(): void {
    const time = this.#tryRead(() => (this.#clock.enabled() ? this.#clock.read() : undefined));
    // If the card has left the bus, its registers read all ones, and the time is then later than `LATEST`.
    if (time !== undefined && time <= LATEST) this.#note(time);
  }

  #note(time: bigint): void {
    this.#saved = { time, at: this.#hw.clock.now() };
  }

  /** @internal Called after the chip or its PHY has been started. A clock that was not stopped keeps its time. */
  restore(): void {
    const wasRunning = this.#clock.enabled();
    this.#clock.enable();
    if (!wasRunning && this.#saved !== undefined)
      this.#clock.write(this.#saved.time + BigInt(Math.round((this.#hw.clock.now() - this.#saved.at) * 1000)));
    // Another driver may have left the clock running at another rate.
    this.#clock.setRate(this.#rate / BILLION);
  }

  #tryRead(read: () => bigint | undefined): bigint | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SideBusTimeout || error instanceof Timeout)) throw error;
      this.#hw.expiredWaits.note("the PTP clock");
      return undefined;
    }
  }

  #up(): ClockRegisters {
    if (!this.#running()) throw new OutOfRange("the NIC is down", "Bring it up first.");
    return this.#clock;
  }
}

/** Returns the clock if the option `timestamps` is set and the chip has a clock. */
export const ptpOf = (
  { hw, options }: { readonly hw: Hardware; readonly options: Pick<NicOptions, "timestamps"> },
  running: () => boolean,
): Ptp | undefined => {
  const place = hw.chip.profile.ptp;
  return options.timestamps === true && place !== undefined ? new Ptp(hw, place, running) : undefined;
};

const checkTime = (nanos: bigint): bigint => {
  if (nanos < 0n || nanos > LATEST)
    throw new OutOfRange(`a time of ${nanos} ns`, "Use 0 to 2^63 - 1 ns after the start of the clock's time scale.");
  return nanos;
};
