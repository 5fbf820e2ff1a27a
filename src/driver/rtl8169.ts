/** A NIC that the driver has bound: bring-up, which returns a `Link`, shutdown, and settings. */
import type { Chip } from "#chip/chips.ts";
import type { PciDevice } from "#kit/device.ts";
import { DmaExhausted, type DmaMemory } from "#kit/dma.ts";
import { DeviceGone, OutOfRange } from "#kit/errors.ts";
import type { InterruptLine } from "#kit/interrupts.ts";
import type { FrameMemory, Offloads } from "#kit/link.ts";
import { LinkPower } from "./aspm.ts";
import { type Rings, bringUp, maskInterrupts, quiesce, setStationAddress, stationAddress } from "./bring-up.ts";
import { SideBusTimeout } from "./errors.ts";
import { Events, handledEvents } from "./events.ts";
import type { Hardware, ExpiredWaits } from "./hardware.ts";
import { type Finding, Health } from "./health.ts";
import { type NicOptions, type NicParts, checkAddress, checkMtu, checkSlots, hashes, slotsOf } from "./nic-options.ts";
import { adaptTo } from "./mac-link.ts";
import { offloadsOf } from "./offload-rules.ts";
import { Moderation } from "./moderation.ts";
import { Leds } from "./leds.ts";
import { LINK_DOWN, type LinkState, Phy } from "./phy.ts";
import { PowerSaving } from "./power-saving.ts";
import { ALL_MULTICAST, type ReceiveFilter, checkFilter, setReceiveFilter } from "./receive-filter.ts";
import { Power } from "./power.ts";
import { type Ptp, ptpOf } from "./ptp.ts";
import { ReceiveOffloads } from "./receive-offloads.ts";
import { limitReadRequests } from "./read-requests.ts";
import { type QueueRings, type RingPair, type RunningNic, type SendingPair, createRings } from "./rings.ts";
import { Rss } from "./rss.ts";
import type { Operation } from "./operation.ts";
import { type SelfTestReport, selfTest } from "./self-test.ts";
import { changeStationAddress, eepromWords } from "./station-address.ts";
import { run } from "./steps.ts";
import { type Tally, dumpTally } from "./tally.ts";
import { Wake } from "./wake.ts";

export type { NicOptions } from "./nic-options.ts";
export type { RunningNic } from "./rings.ts";

/** A NIC that the driver has bound. Only the data plane's thread may use it. */
export class Nic {
  readonly chip: Chip;
  readonly xid: number;
  /** True if the chip table has no row for this stepping; the nearest stepping's row is used. */
  readonly unknownStepping: boolean;
  readonly line: InterruptLine;
  /** The interrupt lines of queues 1 and up; empty without the option `queueThreads`. */
  readonly lentLines: readonly InterruptLine[];
  readonly memory: FrameMemory;
  readonly phy: Phy;
  readonly powerSaving: PowerSaving;
  readonly leds: Leds;
  readonly moderation: Moderation;
  readonly receiveOffloads: ReceiveOffloads;
  readonly eeprom: () => Generator<number, void>;
  readonly aspm: LinkPower;
  /** Undefined if the NIC does not hash received frames. */
  readonly rss: Rss | undefined;
  /** The PTP clock; undefined without the option `timestamps`. */
  readonly ptp: Ptp | undefined;
  /** The events that wake a sleeping NIC. */
  readonly wake: Wake;
  /** Suspend, resume, shutdown. */
  readonly power: Power;
  /** The chip's own address; undefined if it has none. `address` then comes from an option or is random. */
  readonly permanentAddress: Uint8Array | undefined;
  readonly health: Health;
  /** Frames lost when the NIC was stopped: those not sent, and those that the NIC had written but the host had not received. */
  readonly lost = { sent: 0, received: 0 };
  readonly #hw: Hardware;
  readonly #device: PciDevice;
  readonly #options: NicOptions;
  readonly #tally: DmaMemory;
  readonly #handledEvents: number;
  #running: QueueRings | undefined;
  #mtu: number;
  #slots: number;
  #link: LinkState = LINK_DOWN;
  /** The station address that was last set; undefined if none was set. */
  #address: Uint8Array | undefined;
  #filter = ALL_MULTICAST;

  /** @internal created by `probe` */
  constructor(parts: NicParts) {
    this.#device = parts.device;
    this.chip = parts.chip;
    this.xid = parts.xid;
    this.unknownStepping = parts.unknownStepping;
    this.#hw = parts.hw;
    this.line = parts.line;
    this.lentLines = parts.lentLines;
    this.#tally = parts.tally;
    this.#options = parts.options;
    this.#handledEvents = handledEvents(parts.chip);
    this.permanentAddress = parts.permanentAddress;
    this.#mtu = checkMtu(parts.chip, parts.options.mtu);
    this.#slots = slotsOf(parts.chip, parts.options);
    this.memory = parts.device.dma.window;
    this.eeprom = () => eepromWords(parts.hw);
    this.receiveOffloads = new ReceiveOffloads(parts.hw, () => this.running);
    this.moderation = new Moderation(parts.hw, () => this.#running?.pairs);
    this.rss = hashes(parts.options) ? new Rss(parts.hw, () => this.running) : undefined;
    this.ptp = ptpOf(parts, () => this.running);
    this.aspm = new LinkPower(parts.hw, parts.device.config, parts.options.aspm);
    this.health = new Health(parts.hw, parts.device.config);
    this.phy = new Phy(parts.hw, this);
    this.powerSaving = new PowerSaving(parts.hw, this);
    this.wake = new Wake(parts.hw, parts.device.power);
    this.power = new Power(parts, this);
    this.leds = new Leds(parts.hw, this);
  }

  /** True between `up` and `down`. */
  get running(): boolean {
    return this.#running !== undefined;
  }

  /**
   * Allocates the rings, starts the PHY and the receiver and enables interrupts. The link may come up later; an event
   * reports that. The returned object must not be used after `down`. If `up` throws, the NIC is down and owns no rings.
   */
  up(): RunningNic {
    return this.#running?.pairs[0].link ?? this.#bringUp(true);
  }

  /** @param phy whether to restart the PHY too, which drops the link */
  #bringUp(phy: boolean): RunningNic {
    const running = createRings(this.#device.dma, this.#hw, this, this.#options);
    this.#running = running;
    try {
      this.#start(running.layout, phy);
    } catch (error) {
      this.#abandon();
      throw error;
    }
    return running.pairs[0].link;
  }

  /** Stops a chip whose start has failed, so that it cannot access memory when bus mastering is enabled again. */
  #abandon(): void {
    try {
      maskInterrupts(this.#hw);
      quiesce(this.#hw);
    } catch {
      // The error of the start is reported, not an error of this stop.
    } finally {
      this.#release();
    }
  }

  #start(rings: Rings, phy: boolean): void {
    this.#device.setBusMaster(true);
    limitReadRequests(this.#device.config, this.chip, this.#mtu);
    bringUp(this.#hw, rings);
    if (this.#address !== undefined) setStationAddress(this.#hw, this.#address);
    this.#setFilter();
    this.moderation.restore();
    this.leds.restore();
    this.rss?.restore();
    if (phy) this.restartPhy();
    else this.ptp?.restore();
    this.wake.apply();
    this.aspm.apply();
    this.health.reset();
    this.line.unmask();
    this.unmask();
    // If the link is already up, no event will report it.
    this.refreshLink();
  }

  /** Resets the PHY and restores all of its settings. The MAC keeps running. @throws {Timeout} {SideBusTimeout} */
  restartPhy(): void {
    this.phy.reset();
    run(this.#hw, this.#hw.start.phy, this.#mtu);
    this.powerSaving.apply();
    this.phy.apply();
    this.ptp?.restore();
  }

  /**
   * Stops the chip and starts it again with new rings and all settings; its link stays up. Like `up` for a NIC that is
   * down. Returns the new `Link`. @throws whatever `down` and `up` throw; the NIC is then down
   */
  reset(): RunningNic {
    if (!this.running) return this.up();
    this.stop(() => {});
    return this.#bringUp(false);
  }

  /** Returns what is wrong with a NIC that is up. Must be called at least five times a second. @throws {DeviceGone} */
  checkHealth(): Finding | undefined {
    return this.#running && this.aspm.noteFinding(this.health.check(this.#running.pairs, this.phy, this.#link.up));
  }

  /**
   * The reverse of `up`: stops the chip and its DMA, and frees the rings even if it throws. A PHY that does not respond
   * is not powered down. @throws {ResetTimeout}; {Asleep} if the NIC was suspended and does not wake
   */
  down(): void {
    this.power.end();
    if (this.running) this.stop(() => this.phy.powerDown());
  }

  /** @internal for `power` @param afterStop runs once the chip has stopped */
  stop(afterStop: () => void): void {
    this.line.mask();
    try {
      this.ptp?.save();
      maskInterrupts(this.#hw);
      quiesce(this.#hw);
      this.#device.setBusMaster(false);
      run(this.#hw, [...this.chip.profile.wake.stopped, ...(this.chip.aspm?.stopped ?? [])]);
      afterStop();
    } catch (error) {
      if (error instanceof SideBusTimeout) this.#hw.expiredWaits.note("the PHY to power down");
      // A card that has left the bus needs no stopping.
      else if (!(error instanceof DeviceGone)) throw error;
    } finally {
      this.#release();
    }
  }

  #release(): void {
    try {
      // If the card is gone, the system rejects this call.
      this.#device.setBusMaster(false);
    } finally {
      const { pairs = [], memory } = this.#running ?? {};
      for (const { receive, transmit } of pairs) {
        this.lost.sent += transmit?.unsent() ?? 0;
        this.lost.received += receive.unreadFrames();
      }
      this.#running = undefined;
      this.#link = LINK_DOWN;
      memory?.dispose();
    }
  }

  /** Number of descriptors in each ring. */
  get slots(): number {
    return this.#slots;
  }
  get mtu(): number {
    return this.#mtu;
  }
  get offloads(): Offloads {
    return offloadsOf(this.chip.profile.frames, this.#mtu);
  }
  get link(): LinkState {
    return this.#link;
  }
  get address(): Uint8Array {
    return stationAddress(this.#hw);
  }
  set address(mac: Uint8Array) {
    checkAddress(mac);
    changeStationAddress(this.#hw, mac);
    // The address is kept, because some chips load their own address again when they are reset.
    this.#address = mac.slice();
  }

  /** Sets which frames are received, also after MTU changes and resets. @throws {OutOfRange} for an address of the wrong kind */
  set filter(filter: ReceiveFilter) {
    checkFilter(filter);
    this.#filter = filter;
    if (this.running) this.#setFilter();
  }

  #setFilter(): void {
    setReceiveFilter(this.#hw, this.#filter, this.rings.receive.core.format);
    this.receiveOffloads.restore();
    for (const { receive } of this.queues) receive.accept(this.#filter);
  }

  /**
   * Rebuilds the rings for another MTU; returns the new `Link` if the NIC is up. Frames in the old rings and entries are
   * lost. @throws {BadMtu} before anything has changed; whatever `down` and `up` throw, with the old MTU. After
   * {DmaExhausted} the NIC is up again, after other errors it is down
   */
  setMtu(mtu: number): RunningNic | undefined {
    checkMtu(this.chip, mtu);
    return this.#rebuild(mtu, this.#slots);
  }

  /** Rebuilds all rings with this many descriptors each; otherwise like `setMtu`. @throws {BadRingSize} before any change */
  setRings(slots: number): RunningNic | undefined {
    return this.#rebuild(this.#mtu, checkSlots(this.chip, slots));
  }

  #rebuild(mtu: number, slots: number): RunningNic | undefined {
    const wasUp = this.running;
    const before = [this.#mtu, this.#slots] as const;
    if (wasUp) this.down();
    [this.#mtu, this.#slots] = [mtu, slots];
    if (!wasUp) return undefined;
    try {
      return this.up();
    } catch (error) {
      [this.#mtu, this.#slots] = before;
      if (error instanceof DmaExhausted) this.up();
      throw error;
    }
  }

  /**
   * Reads the status, masks further interrupts and acknowledges what was read, as a NAPI driver's interrupt handler
   * does. Returns `Events` bits, or 0 if this NIC did not raise the interrupt. @throws {DeviceGone}
   */
  interrupt(): number {
    const status = this.#pendingEvents();
    if (status === 0) return 0;
    this.mask();
    return this.#acknowledge(status);
  }

  /** Masks interrupts before polling that no interrupt has started. */
  mask(): void {
    this.#hw.interrupts.allow(this.#hw.io, 0);
  }

  /** Like `interrupt`, but for interrupts that are masked already. */
  acknowledge(): number {
    const status = this.#pendingEvents();
    return status === 0 ? 0 : this.#acknowledge(status);
  }

  /** Unmasks interrupts after polling. An event that is pending in the status raises an interrupt at once. */
  unmask(): void {
    this.moderation.sample();
    this.#hw.interrupts.allow(this.#hw.io, this.#handledEvents);
  }

  /** True if the status shows an event that the driver handles. @throws {DeviceGone} */
  get pending(): boolean {
    return this.#pendingEvents() !== 0;
  }

  /** True if a received frame waits in a ring that the caller polls. */
  get waiting(): boolean {
    return this.#running?.polled.some(({ receive }) => receive.waiting()) ?? false;
  }

  /** Reads the link state, and adapts the MAC and interrupt moderation to a link that is new or has another speed. */
  refreshLink(): LinkState {
    const link = this.phy.link();
    if (link.up && (link.speed !== this.#link.speed || this.phy.flapped)) {
      adaptTo(this.#hw, link, this.#mtu, () => this.powerSaving.stepsAt(link));
      this.moderation.linkUp(link.speed);
    }
    this.#link = link;
    return link;
  }

  /** A self-test in short steps (self-test.ts). @throws {OutOfRange} at the first step if the NIC is down or has frames to send */
  selfTest(offline: boolean): Operation<SelfTestReport> {
    return selfTest(this.#hw, this, this.#device.dma, offline);
  }

  /** The chip's own counters. @throws {Timeout} */
  tally(): Tally {
    return dumpTally(this.#hw, this.#tally);
  }

  /** Version of the chip's firmware file; undefined without such a file. */
  get firmware(): string | undefined {
    return this.#hw.firmware?.version;
  }

  /** Waits that expired. The driver continued after each of them. */
  get expiredWaits(): Readonly<ExpiredWaits> {
    return this.#hw.expiredWaits;
  }

  /** The rings of each queue, each with its own `Link`. @throws {OutOfRange} while down */
  get queues(): readonly [SendingPair, ...RingPair[]] {
    if (this.#running === undefined) throw new OutOfRange("the NIC is down", "Bring it up first.");
    return this.#running.pairs;
  }
  /** The rings of queue 0. */
  get rings(): SendingPair {
    return this.queues[0];
  }

  /** Returns the status if it shows an event that the driver handles, otherwise 0. @throws {DeviceGone} */
  #pendingEvents(): number {
    if (this.power.asleep) return 0;
    const { io, interrupts } = this.#hw;
    const status = interrupts.status(io);
    if (status === interrupts.absent) throw new DeviceGone("IntrStatus");
    return (status & this.#handledEvents) === 0 ? 0 : status;
  }

  #acknowledge(status: number): number {
    const { io, interrupts } = this.#hw;
    interrupts.acknowledge(io, status);
    this.health.note(status);
    if ((status & Events.link) !== 0) this.refreshLink();
    return status & this.#handledEvents;
  }
}
