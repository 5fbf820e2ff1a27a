/** The NIC: combines its parts and presents them to a bus (`Target`) and to a cable (`Plug`). */
import type { Chip } from "#chip/chips.ts";
import { Intr } from "#chip/registers.ts";
import { OutOfRange } from "#kit/errors.ts";
import type { Plug, Port, SegmentSource } from "#kit/port.ts";
import type { GuestMemory, RegionName, Target } from "#kit/target.ts";
import { regionsOf } from "./pci/config-layout.ts";
import type { PowerState } from "./pci/config-space.ts";
import { type CounterName, Count } from "./frames/counters.ts";
import { type FaultName, Faults, LINK_LOSS_MICROS, RefusedMemory } from "./faults.ts";
import { type Led, ledsOf } from "./registers/leds.ts";
import type { CableFault } from "./phy/cable.ts";
import { ANY_PARTNER, type Partner, type PhyLink } from "./phy/link-partner.ts";
import type { ModelOptions } from "./model-options.ts";
import { type AccessWidth, ones, pageBytes } from "./registers/page.ts";
import { type Schedule, scheduleOn } from "./registers/schedule.ts";
import type { SideBusName } from "./side-buses/side-registers.ts";
import { ChipModel } from "./chip-model.ts";
import { stationAddress } from "./registers/station.ts";
import type { ModelState } from "./observation/state.ts";
import type { OffenceName } from "./observation/strict.ts";

/** A length in bytes that no frame exceeds. */
const MAX_FRAME_BYTES = 1 << 14;

/** The port of a NIC without a cable. */
class Unplugged implements Port {
  readonly bytes = new Uint8Array(MAX_FRAME_BYTES);
  reserve(length: number): number {
    return length <= MAX_FRAME_BYTES ? 0 : -1;
  }
  commit(): void {}
  flush(): void {}
  plug(): void {}
}

/** When a fault repeats an interrupt, the repetition follows after this time. */
const REPEAT_MICROS = 20;

/**
 * A chip of the family. All calls come from one thread; the guest may run during any of them, and may call back.
 *
 * The owner of the clock must run the timers; the model needs nothing else.
 */
export class Rtl8169 implements Target, Plug {
  readonly chip: Chip;
  readonly mac: Readonly<Uint8Array>;
  /** Faults, injected at run time. */
  readonly faults: Faults;
  /** The memory of the register page, which a threaded bus shares with the driver's thread. */
  readonly memory: ArrayBufferLike;
  readonly #regions: Readonly<Record<RegionName, number>>;
  readonly #chip: ChipModel;
  readonly #schedule: Schedule;
  readonly #accessMicros: number;
  #raise: (vector: number) => void = () => {};
  #wakeUp: () => void = () => {};

  /**
   * @throws {InvalidMacAddress} if the station address is a string and not a MAC address
   * @throws {OutOfRange} if the station address is not unicast or is zero, the memory is too small, or the medium is
   *   fibre and the chip has no fibre variant
   */
  constructor(options: ModelOptions) {
    const { chip, accessMicros = 0 } = options;
    const { memory = new ArrayBuffer(pageBytes(chip)) } = options;
    if (memory.byteLength < pageBytes(chip))
      throw new OutOfRange(`${memory.byteLength} bytes of memory are too few for the registers`);
    const mac = stationAddress(options.mac);
    const schedule = scheduleOn(options.clock, options.timers);
    this.chip = chip;
    this.mac = mac;
    this.memory = memory;
    this.faults = new Faults((name) => this.#onFault[name]?.(this.faults.isArmed(name)));
    this.#regions = regionsOf(chip);
    this.#schedule = schedule;
    this.#accessMicros = accessMicros;
    this.#chip = new ChipModel({
      options,
      mac,
      memory,
      schedule,
      faults: this.faults,
      fire: (vector) => this.#signal(vector),
      wake: () => this.#wakeUp(),
    });
    this.connect(new Unplugged());
    this.powerCycle();
  }

  /**
   * Plugs in the cable: from now on the port delivers its frames to this NIC. `setCarrier` sets the carrier.
   */
  connect(port: Port): void {
    this.#chip.frames.connect(port);
    port.plug(this);
  }

  /** Sets whether a link partner is present, and its abilities. The link comes up after negotiation. */
  setCarrier(up: boolean, partner: Partner = ANY_PARTNER): void {
    this.#chip.phy.plug(up ? partner : undefined);
  }

  /**
   * Whether the chip responds on the bus. False if it was removed, or has left the bus after an offence in strict mode
   * "error".
   */
  get answers(): boolean {
    return !this.#chip.offences.failed && !this.faults.removed;
  }

  /** State of the link. */
  get link(): PhyLink {
    return this.#chip.phy.link;
  }

  /** Adds idle errors (errors between frames), which the PHY counts at 1000 Mbit/s. */
  disturbIdle(errors: number): void {
    this.#chip.phy.disturbIdle(errors);
  }

  /** Sets how many of the cable's pairs carry a signal: gigabit and faster need all four. */
  setPairs(pairs: 2 | 4): void {
    this.#chip.phy.pairs = pairs;
  }

  /**
   * Faults of the cable's pairs, for the PHY's cable test. A fault of the last two pairs limits the link to 100 Mbit/s.
   * With a fault of the first two there is no link; the caller must set that with `setCarrier`.
   */
  setCable(faults: readonly CableFault[]): void {
    this.#chip.cable = faults;
  }

  /** Sets the duration of accesses to a side bus in microseconds; with `Infinity` they never complete. */
  setLatency(bus: SideBusName, micros: number): void {
    this.#chip.side.setLatency(bus, micros);
  }

  /** The LEDs at the socket in order; empty on PCI chips, whose LEDs are not modelled. */
  get leds(): readonly Led[] {
    return ledsOf(this.chip, this.#chip.page, this.#chip.phy.link.speed);
  }

  /** Whether a vector's line is high; used by a bus when its guest unmasks the vector. */
  pending(vector: number): boolean {
    return this.#chip.interrupts.pending(vector);
  }

  receive(bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.faults.any && this.#loses()) return false;
    if (this.#chip.config.state === 0) return this.#chip.frames.receive(bytes, offset, length);
    if (this.#chip.phy.link.up) this.#chip.wakeFilter.frame(bytes, offset, length);
    return false;
  }

  receiveSegments(segments: SegmentSource): number {
    return this.faults.any || this.#chip.config.state !== 0 ? 0 : this.#chip.frames.receiveSegments(segments);
  }

  receiveDamaged(bytes: Uint8Array, offset: number, length: number, damage: number): boolean {
    return (
      !this.faults.removed &&
      this.#chip.config.state === 0 &&
      this.#chip.frames.receiveDamaged(bytes, offset, length, damage)
    );
  }

  /**
   * Whether a descriptor is available for a frame; also true while the NIC sleeps. A cable with flow control checks
   * this before it delivers a frame.
   */
  hasRoom(): boolean {
    return this.#chip.config.state !== 0 || this.#chip.frames.hasRoom();
  }

  /** Tally counters. */
  get counters(): Record<CounterName, number> {
    return this.#chip.tally.snapshot();
  }

  /** The contents of every register space, read without side effects. */
  get state(): ModelState {
    return this.#chip.state;
  }

  /** Number of super-frames segmented so far. */
  get segmented(): number {
    return this.#chip.frames.segmented;
  }

  /** Number of driver errors, by kind. */
  get offences(): Readonly<Record<OffenceName, number>> {
    return this.#chip.offences.counts;
  }

  /** Number of events raised so far, modulo 2^32: the last word of the page. */
  get eventsRaised(): number {
    return this.#chip.page.words.at(-1)!;
  }

  /**
   * For a bus whose guest reads IntrStatus from the page: the value of `eventsRaised` before the guest's last such
   * read.
   */
  seen(events: number): void {
    this.#chip.interrupts.seen(events);
  }

  size(region: RegionName): number {
    return this.#regions[region];
  }

  attach(memory: GuestMemory, raise: (vector: number) => void): void {
    this.#chip.dma.attach(new RefusedMemory(this.faults, memory));
    this.#raise = raise;
  }

  detach(): void {
    this.#chip.dma.detach();
    this.#raise = () => {};
  }

  /** Call when the bus mapped or unmapped guest memory, before unmapped memory is freed. */
  memoryChanged(): void {
    this.#chip.dma.forget();
  }

  reset(): void {
    this.#chip.busReset();
  }

  powerCycle(): void {
    this.#chip.powerCycle();
  }

  /** Sets the listener for wake-up requests: PME on PCI, a PM_PME message or WAKE# on PCI Express. */
  onWake(listener: () => void): void {
    this.#wakeUp = listener;
  }

  /** D0 to D3hot, from configuration space. */
  get powerState(): PowerState {
    return this.#chip.config.state;
  }

  asserted(): boolean {
    const { config, interrupts } = this.#chip;
    return config.state === 0 && config.interruptsOn && interrupts.asserted && !this.faults.removed;
  }

  read(region: RegionName, offset: number, width: AccessWidth): number {
    if (!this.#answers(region, offset, width)) return ones(width);
    if (region === "config") return this.#chip.config.read(offset, width);
    if (region === 4) return this.#chip.msix.read(offset, width);
    const value = this.#chip.registers.read(offset, width);
    this.#chip.offences.access(offset, width, value, false);
    return value;
  }

  write(region: RegionName, offset: number, width: AccessWidth, value: number): void {
    if (!this.#answers(region, offset, width)) return;
    if (region === "config") {
      this.#chip.config.write(offset, width, value);
      return;
    }
    if (region === 4) {
      this.#chip.msix.write(offset, width, value);
      return;
    }
    this.#chip.offences.access(offset, width, value, true);
    this.#chip.registers.write(offset, width, value);
  }

  /**
   * Whether an access gets a response. Configuration space always responds; the windows respond only while decoding is
   * enabled and the state is D0.
   */
  #answers(region: RegionName, offset: number, width: number): boolean {
    const inside = Number.isInteger(offset) && offset >= 0 && offset + width <= this.#regions[region];
    if (!inside || !this.answers) return false;
    if (region === "config" || (region === 0 ? this.#chip.config.io : this.#chip.config.memory)) return true;
    this.#chip.offences.commit("asleep", offset);
    return false;
  }

  /** Called at a rising edge of a vector's line. */
  #signal(vector: number): void {
    if (this.#chip.config.state !== 0 || this.faults.removed || this.faults.strikes("lost-interrupt")) return;
    this.#raise(vector);
    if (this.faults.strikes("repeated-interrupt")) this.#schedule.after(REPEAT_MICROS, () => this.#signalAgain(vector));
  }

  #signalAgain(vector: number): void {
    if (!this.faults.removed) this.#raise(vector);
  }

  /** Whether a fault drops an arriving frame. */
  #loses(): boolean {
    if (this.faults.removed) return true;
    if (!this.#chip.phy.link.up) return false;
    if (!this.faults.isArmed("stuck-receiver") && !this.faults.strikes("receive-overflow")) return false;
    this.#chip.tally.count(Count.rxMissed);
    this.#chip.interrupts.receive.raise(Intr.receiveFifoOverflow);
    return true;
  }

  /**
   * What happens when a fault is armed or disarmed. Faults that other code checks when they could occur have no entry.
   */
  readonly #onFault: Readonly<Partial<Record<FaultName, (armed: boolean) => void>>> = {
    // Otherwise the chip would still use regions that it found earlier.
    "dma-error": () => this.#chip.dma.forget(),
    "silent-phy": (armed) => this.setLatency("phy", armed ? Infinity : this.#accessMicros),
    "upset-phy": (armed) => {
      if (armed) this.#chip.disturbPhy(true);
      this.faults.disarm("upset-phy");
    },
    "forgetful-phy": (armed) => {
      if (armed) this.#chip.disturbPhy(false);
      this.faults.disarm("forgetful-phy");
    },
    "link-loss": (armed) => {
      if (armed) this.#schedule.after(LINK_LOSS_MICROS, () => this.faults.disarm("link-loss"));
      this.#absent(() => this.#chip.busReset());
    },
    removal: () => this.#absent(() => this.powerCycle()),
  };

  /** Called when the card has left the bus, and when it is back. Calls `back` when it is back. */
  #absent(back: () => void): void {
    this.#chip.dma.forget();
    if (this.faults.removed) this.#chip.resetRegisters();
    else back();
  }
}
