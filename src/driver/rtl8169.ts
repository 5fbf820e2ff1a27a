/** The driver: takes a card by its identification, brings it up, and is its `Link` from then on. */
import { type Chip, PCI_IDS } from "#chip/chips.ts";
import { DUMP_ALIGN, EXTENDED_DUMP_BYTES } from "#chip/counters.ts";
import { STANDARD_MTU } from "#chip/frames.ts";
import { raisesSpuriousSystemError } from "#chip/quirks.ts";
import { Intr } from "#chip/registers.ts";
import type { Driver, PciDevice } from "#kit/device.ts";
import type { DmaMemory } from "#kit/dma.ts";
import { DeviceGone, OutOfRange } from "#kit/errors.ts";
import type { InterruptLine } from "#kit/interrupts.ts";
import type { FrameMemory, Link, Offloads } from "#kit/link.ts";
import { randomStationAddress } from "#kit/station-address.ts";
import { type Rings, bringUp, maskInterrupts, quiesce, setStationAddress, stationAddress } from "./bring-up.ts";
import { RECEIVE_FORMATS } from "./descriptor-formats.ts";
import { doorbellOf } from "./doorbell.ts";
import { SideBusTimeout, UnknownChip } from "./errors.ts";
import { type Hardware, type Overdue, hardwareOf } from "./hardware.ts";
import { identify } from "./identify.ts";
import { type NicOptions, checkAddress, checkMtu, checkSlots, checkWindow, firmwareOf } from "./nic-options.ts";
import { offloadsOf, transmitRules } from "./offload-rules.ts";
import { LINK_DOWN, type LinkState, Phy } from "./phy.ts";
import { EVERY_GROUP, type ReceiveFilter, checkFilter, setReceiveFilter } from "./receive-filter.ts";
import { limitReadRequests } from "./read-requests.ts";
import { findStationAddress, restoreStationAddress } from "./station-address.ts";
import { type ReceiveRing, createReceiveRing } from "./receive-ring.ts";
import { run } from "./steps.ts";
import { type Tally, dumpTally } from "./tally.ts";
import { type TransmitRing, createTransmitRing } from "./transmit-ring.ts";

export type { NicOptions } from "./nic-options.ts";

/** What happened since the last look, as `Nic.interrupt` found it. */
export const Events = {
  receive: Intr.receiveOk | Intr.receiveError | Intr.receiveFifoOverflow,
  transmit: Intr.transmitOk | Intr.transmitError,
  link: Intr.linkChange,
  /** The chip could not access memory, or its bus failed: it must be reset. Never reported by chips that raise it spuriously. */
  broken: Intr.systemError,
} as const;

/** The events that a chip may interrupt for. A chip that stops on a bus error raises nothing else afterwards. */
export const wantedEvents = (chip: Chip): number =>
  (Events.receive & ~Intr.receiveFifoOverflow) |
  (chip.profile.mac.reportsOverflow ? Intr.receiveFifoOverflow : 0) |
  Events.transmit |
  Events.link |
  (raisesSpuriousSystemError(chip) ? 0 : Events.broken);

/** Header with a tag, and the FCS. */
const FRAMING = 14 + 4 + 4;

/** A card that the driver has bound. Used by one thread only, the data plane's. */
export class Nic implements Link {
  readonly chip: Chip;
  readonly xid: number;
  /** The chip table has no row for this stepping: it is driven as the nearest one. */
  readonly unknownStepping: boolean;
  readonly line: InterruptLine;
  readonly memory: FrameMemory;
  readonly phy: Phy;
  /** The chip's own address; undefined when it has none: then `address` was given or is random. */
  readonly permanentAddress: Uint8Array | undefined;
  readonly #hw: Hardware;
  readonly #device: PciDevice;
  readonly #options: NicOptions;
  readonly #tally: DmaMemory;
  readonly #wanted: number;
  #rings = new DisposableStack();
  #receive: ReceiveRing | undefined;
  #transmit: TransmitRing | undefined;
  #mtu: number;
  #bufferBytes = 0;
  #link: LinkState = LINK_DOWN;
  /** The station address, where it is not the chip's own. */
  #address: Uint8Array | undefined;
  #filter = EVERY_GROUP;

  /** @internal made by `rtl8169.probe` */
  constructor(parts: {
    device: PciDevice;
    chip: Chip;
    xid: number;
    unknownStepping: boolean;
    hw: Hardware;
    line: InterruptLine;
    tally: DmaMemory;
    permanentAddress: Uint8Array | undefined;
    options: NicOptions;
  }) {
    this.#device = parts.device;
    this.chip = parts.chip;
    this.xid = parts.xid;
    this.unknownStepping = parts.unknownStepping;
    this.#hw = parts.hw;
    this.line = parts.line;
    this.#tally = parts.tally;
    this.#options = parts.options;
    this.#wanted = wantedEvents(parts.chip);
    this.permanentAddress = parts.permanentAddress;
    this.#mtu = checkMtu(parts.chip, parts.options.mtu);
    this.memory = parts.device.dma.window;
    this.phy = new Phy(parts.hw);
  }

  /** True between `up` and `down`. */
  get running(): boolean {
    return this.#receive !== undefined;
  }

  /**
   * Allocates the rings, starts the PHY and the receiver and enables interrupts. The link may come up later, as an event.
   * When it throws, the NIC is down and owns no rings.
   */
  up(): void {
    if (this.running) return;
    const rings = this.#createRings();
    try {
      this.#start(rings);
    } catch (error) {
      this.#abandon();
      throw error;
    }
  }

  /** Stops a chip whose start has failed, so that it reaches no memory when it may be bus master again. */
  #abandon(): void {
    try {
      maskInterrupts(this.#hw);
      quiesce(this.#hw);
    } catch {
      // What the start has failed with says more.
    } finally {
      this.#release();
    }
  }

  /** Allocates the rings and connects the frame functions to them. */
  #createRings(): Rings {
    const { slots } = this;
    const { profile } = this.chip;
    const { weaklyOrdered } = this.#options;
    const receiveFormat = RECEIVE_FORMATS[profile.frames.receiveFormat];
    // A tagged frame of the largest size, and room for alignment.
    this.#bufferBytes = Math.min(receiveFormat.length + 1, Math.ceil((this.#mtu + FRAMING) / 1024) * 1024);
    using rings = new DisposableStack();
    const receive = createReceiveRing(this.#device.dma, rings, {
      slots,
      bufferBytes: this.#bufferBytes,
      spare: this.#options.spareBuffers ?? 2 * slots,
      weaklyOrdered,
      format: receiveFormat,
    });
    const doorbell = doorbellOf(this.#hw.io, profile);
    const rules = transmitRules(profile.frames);
    const transmit = createTransmitRing(this.#device.dma, rings, { slots, doorbell, weaklyOrdered, ...rules });
    receive.arm();
    transmit.clear();
    this.#rings = rings.move();
    this.#receive = receive;
    this.#transmit = transmit;
    this.receive = receive.receive;
    this.release = receive.release;
    this.transmit = transmit.transmit;
    this.reclaim = transmit.reclaim;
    return { receive: receive.iova, transmit: transmit.iova, largestFrame: this.#bufferBytes, mtu: this.#mtu };
  }

  #start(rings: Rings): void {
    this.#device.setBusMaster(true);
    limitReadRequests(this.#device.config, this.chip, this.#mtu);
    bringUp(this.#hw, rings);
    if (this.#address !== undefined) setStationAddress(this.#hw, this.#address);
    setReceiveFilter(this.#hw, this.#filter);
    this.phy.reset();
    run(this.#hw, this.#hw.start.phy, this.#mtu);
    this.phy.negotiate({ pause: this.#mtu <= STANDARD_MTU });
    this.line.unmask();
    this.unmask();
    // The link may already be up; no event follows then.
    this.#link = this.phy.link();
  }

  /**
   * The reverse of `up`: reception and transmission end, and the chip's access to memory, before the rings are freed. The
   * rings are freed and bus mastering is off also when it throws. A PHY that does not answer only stays awake.
   * @throws {ResetTimeout}
   */
  down(): void {
    if (!this.running) return;
    this.line.mask();
    try {
      maskInterrupts(this.#hw);
      quiesce(this.#hw);
      this.phy.powerDown();
    } catch (error) {
      if (error instanceof SideBusTimeout) this.#hw.overdue.note("the PHY to power down");
      // A card that left the bus has stopped.
      else if (!(error instanceof DeviceGone)) throw error;
    } finally {
      this.#release();
    }
  }

  #release(): void {
    this.#device.setBusMaster(false);
    this.#receive = undefined;
    this.#transmit = undefined;
    this.#link = LINK_DOWN;
    this.#rings.dispose();
  }

  // The rings' own functions, so that a burst costs no second call. Replaced by `up`.
  receive: Link["receive"] = notUp;
  release: Link["release"] = notUp;
  transmit: Link["transmit"] = notUp;
  reclaim: Link["reclaim"] = notUp;

  /** Descriptors in each ring. */
  get slots(): number {
    return this.#options.slots ?? Math.min(256, this.chip.profile.frames.ringLimit);
  }
  get bufferBytes(): number {
    return this.#bufferBytes;
  }
  get mtu(): number {
    return this.#mtu;
  }
  /** What the chip may be asked for at the present MTU. */
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
    setStationAddress(this.#hw, mac);
    // Chips may load their own again when they are reset.
    this.#address = mac.slice();
  }

  /** Which frames are received; kept over MTU changes and resets. @throws {OutOfRange} for an address that is not a group's */
  set filter(filter: ReceiveFilter) {
    checkFilter(filter);
    this.#filter = filter;
    if (this.running) setReceiveFilter(this.#hw, filter);
  }

  /** @throws {BadMtu} for an MTU that `setMtu` would refuse */
  checkMtu(mtu: number): void {
    checkMtu(this.chip, mtu);
  }

  /**
   * Rebuilds the rings for another MTU. Frames in flight are lost, as on any NIC; held buffers must be released first.
   * @throws {BadMtu} before anything has changed; whatever `down` and `up` throw, and then the NIC is down
   */
  setMtu(mtu: number): void {
    this.checkMtu(mtu);
    const wasUp = this.running;
    if (wasUp) this.down();
    this.#mtu = mtu;
    if (wasUp) this.up();
  }

  /**
   * Reads the status, masks further interrupts and acknowledges what was read, as a NAPI driver's interrupt handler does.
   * Returns `Events` bits; 0 for an interrupt that was not ours.
   * @throws {DeviceGone}
   */
  interrupt(): number {
    const status = this.#happened();
    if (status === 0) return 0;
    this.mask();
    return this.#settle(status);
  }

  /** Masks interrupts before polling that no interrupt has started. */
  mask(): void {
    this.#hw.interrupts.allow(this.#hw.io, 0);
  }

  /** As `interrupt`, where interrupts are masked already. */
  acknowledge(): number {
    const status = this.#happened();
    return status === 0 ? 0 : this.#settle(status);
  }

  /** Unmasks interrupts after polling. An event that is pending in the status raises one at once. */
  unmask(): void {
    this.#hw.interrupts.allow(this.#hw.io, this.#wanted);
  }

  /** Whether a received frame waits in the ring. */
  get waiting(): boolean {
    return this.#receive !== undefined && this.#receive.waiting();
  }

  /** Looks at the link without an interrupt. */
  refreshLink(): LinkState {
    this.#link = this.phy.link();
    return this.#link;
  }

  /** The chip's own counters. @throws {Timeout} */
  tally(): Tally {
    return dumpTally(this.#hw.io, this.#hw.clock, this.#tally);
  }

  /** Version of the firmware that the chip is started with; undefined without one. */
  get firmware(): string | undefined {
    return this.#hw.firmware?.version;
  }

  /** Waits for the chip that reached their limit; the reset that followed recovered it. */
  get overdue(): Readonly<Overdue> {
    return this.#hw.overdue;
  }

  /** The rings, for statistics. @throws {OutOfRange} while down */
  get rings(): { readonly receive: ReceiveRing; readonly transmit: TransmitRing } {
    if (this.#receive === undefined || this.#transmit === undefined) return notUp();
    return { receive: this.#receive, transmit: this.#transmit };
  }

  /** The status, where it has something for us. @throws {DeviceGone} */
  #happened(): number {
    const { io, interrupts } = this.#hw;
    const status = interrupts.status(io);
    if (status === interrupts.absent) throw new DeviceGone("IntrStatus");
    return (status & this.#wanted) === 0 ? 0 : status;
  }

  #settle(status: number): number {
    const { io, interrupts } = this.#hw;
    interrupts.acknowledge(io, status);
    if ((status & Events.link) !== 0) this.#link = this.phy.link();
    return status & this.#wanted;
  }
}

const notUp = (): never => {
  throw new OutOfRange("the NIC is down", "Bring it up first.");
};

/** The RTL8169 family's driver. */
export const rtl8169: Driver<Nic, NicOptions> = {
  name: "rtl8169",
  ids: PCI_IDS,
  probe(device, scope, options) {
    const io = device.registers;
    const { xid, chip, unknownStepping, absent } = identify(io, device.id.device, options.clock);
    if (absent) throw new DeviceGone("TxConfig");
    if (chip === undefined) throw new UnknownChip(xid);
    const { start, profile } = chip;
    checkWindow(io.length, profile.function.windowBytes);
    checkSlots(options.slots, profile.frames.ringLimit);
    if (options.address !== undefined) checkAddress(options.address);

    const { clock } = options;
    const hw = hardwareOf({ io, clock, chip }, start, firmwareOf(chip, options));
    maskInterrupts(hw);
    quiesce(hw);
    const line = scope.use(device.interrupts.request(0));
    const tally = scope.use(
      device.dma.allocate({
        what: "tally counters",
        // Of every chip: another system may have switched on the long dump of those that have one (CVE-2024-49973).
        bytes: EXTENDED_DUMP_BYTES,
        align: DUMP_ALIGN,
        direction: "fromDevice",
      }),
    );
    const permanentAddress = findStationAddress(hw);
    const nic = new Nic({ device, chip, xid, unknownStepping, hw, line, tally, permanentAddress, options });
    const shown = stationAddress(hw);
    const original = permanentAddress ?? shown;
    scope.defer(() => restoreStationAddress(hw, original));
    const address = options.address ?? permanentAddress ?? randomStationAddress();
    if (!shown.every((byte, i) => byte === address[i])) nic.address = address;
    scope.defer(() => nic.down());
    return nic;
  },
};
