/** A PCI card for a driver, through VFIO: with an IOMMU or, on request, without one. */
import { type Clock, RealClock } from "#kit/clock.ts";
import type { PciId, RemovableDevice } from "#kit/device.ts";
import type { DmaArena } from "#kit/dma.ts";
import { DeviceGone, type FerruleError, withRootCause } from "#kit/errors.ts";
import type { InterruptKind } from "#kit/interrupts.ts";
import { Mmio, type RegisterBus, ro16 } from "#kit/mmio.ts";
import { addressOf } from "#sys/memory.ts";
import { IrqAction, type DeviceInfo } from "#sys/vfio-structs.ts";
import { decodesMemory, firstMemoryBar, identity, setBusMaster } from "../window.ts";
import { type Access, openAccess } from "./access.ts";
import { type VfioCard, SYSTEM, type Roots, readVfioCard } from "./vfio-card.ts";
import { contiguousMemory } from "./contiguous.ts";
import { BarTooSmall, BusError, NoRegisters, RemovalRequested, UnknownVfio } from "./errors.ts";
import { Irq, VfioInterrupts } from "./interrupts.ts";
import { type Event, type VfioKernel, LINUX } from "./kernel.ts";
import { MIN_BYTES, DEFAULT_BYTES, mapMemory } from "./memory.ts";
import { FunctionPower } from "../function-power.ts";
import { wake } from "../power.ts";
import { wakePermission } from "./wake-permission.ts";
import { FileRegisters, openRegisters } from "./registers.ts";
import type { SharedCard } from "./queue.ts";
import { type ResetKind, reset, resetAtStart } from "./reset.ts";
import { undo } from "./undo.ts";

export interface VfioOptions {
  /** PCI address of the card as the kernel writes it: 0000:03:00.0. */
  readonly address: string;
  /** Number of bytes of DMA memory, a multiple of 4096. Default: 20 MiB, or what the limit on locked memory allows. */
  readonly dmaBytes?: number;
  /** Allow the use of a card that no IOMMU restricts: it can then access all memory. Needs root and huge pages. */
  readonly unsafeNoIommu?: boolean;
  /** Kind of interrupts; default: the best that the card has. */
  readonly interrupts?: InterruptKind;
}

/** Parts that tests replace. */
export interface VfioParts {
  readonly kernel: VfioKernel;
  readonly roots: Roots;
  readonly clock: Clock;
}

/** A warning to show to the user. */
export interface Warning {
  readonly message: string;
  readonly hint: string;
}

const CONFIG_REGION = 7;
/** Size of the smallest register window of the family, that of the oldest chip. */
const MIN_REGISTER_BYTES = 256;
const VENDOR = ro16(0);

/** Disposing stops the card and releases all kernel resources; the kernel does the same when the process ends. */
export class VfioDevice implements RemovableDevice, Disposable {
  readonly name: string;
  readonly id: PciId;
  readonly config: Mmio;
  readonly registers: Mmio;
  readonly dma: DmaArena;
  readonly interrupts: VfioInterrupts;
  readonly power: FunctionPower;
  /** Which of VFIO's interfaces is used. */
  readonly how: Access["how"];
  /** How the card was reset at the start. */
  readonly resetBy: ResetKind;
  readonly warnings: readonly Warning[];
  readonly #card: VfioCard;
  readonly #access: Access;
  readonly #info: DeviceInfo;
  readonly #removal: Event;
  readonly #busError: Event;
  readonly #scope: DisposableStack;
  #bar = 0;
  /** Whether a reset of the bus has cleared the card's interrupt settings. */
  #interruptsLost = false;

  private constructor(
    card: VfioCard,
    options: VfioOptions,
    { kernel, clock, roots }: VfioParts,
    scope: DisposableStack,
  ) {
    const { address } = card;
    this.name = address;
    this.#card = card;
    const access = openAccess(kernel, card, scope);
    const { file } = access;
    this.#access = access;
    this.how = access.how;
    this.warnings = card.unsafe ? [unsafeWarning(address)] : [];
    this.#info = file.info();
    if (!this.#info.pci || this.#info.regions <= CONFIG_REGION || this.#info.irqs <= Irq.msix)
      throw new UnknownVfio(`${address} is not a PCI function for VFIO`, "Bind it to vfio-pci.");
    this.config = this.#mmio(new FileRegisters(file, file.region(CONFIG_REGION)), scope);
    if (this.config.read16(VENDOR) === 0xffff) throw new DeviceGone(`${address}'s configuration space`);
    wake(this.config, clock, address);
    this.resetBy = resetAtStart(access, this.#info, card);
    this.id = identity(this.config);
    // Enables memory space, without which registers do not respond, and disables DMA that another driver left active.
    setBusMaster(this.config, false);
    this.registers = this.#mmio(this.#openBar(scope), scope);
    const permission = wakePermission(address, roots);
    this.power = new FunctionPower({ config: this.config, registers: this.registers, name: address, permission });
    this.#removal = this.#listen(kernel, Irq.request, scope);
    this.#busError = this.#listen(kernel, Irq.error, scope);
    this.interrupts = scope.use(new VfioInterrupts(kernel, file, address, options.interrupts));
    const wanted = options.dmaBytes;
    this.dma =
      access.space === undefined
        ? contiguousMemory(kernel, wanted ?? DEFAULT_BYTES, wanted ?? MIN_BYTES, scope)
        : mapMemory(kernel, access.space, wanted, scope);
    // Runs first when the scope is disposed: disables DMA before memory is released.
    scope.defer(() => setBusMaster(this.config, false));
    this.#scope = scope.move();
  }

  /**
   * Opens a card that is bound to vfio-pci.
   * @throws {NoSuchCard} {NotBound} {NoIommu} {NoVfioFile} {NotPermitted} {InUse} {GroupNotViable}
   * {NoInterruptRemapping}
   * @throws {UnknownVfio} {Asleep} {DeviceGone} {NoRegisters} {BarTooSmall} {MemlockTooLow} {MapRefused} {NoAddresses}
   * @throws {NotContiguous} {SystemError}; {OutOfRange} for an impossible `dmaBytes`, or if the card has no such
   * interrupts
   */
  static open(options: VfioOptions, parts: Partial<VfioParts> = {}): VfioDevice {
    const { kernel = LINUX, roots = SYSTEM, clock = new RealClock() } = parts;
    const card = readVfioCard(options.address, options.unsafeNoIommu ?? false, roots);
    return withRootCause(() => {
      using scope = new DisposableStack();
      return new VfioDevice(card, options, { kernel, roots, clock }, scope);
    });
  }

  /** What `VfioQueue` needs in other threads. Those threads must have ended before this device is disposed. */
  get shared(): SharedCard {
    const { bytes } = this.dma.window;
    const memory = { address: addressOf(bytes.buffer), bytes: bytes.length };
    return { name: this.name, file: this.#access.file.number, bar: this.#bar, memory, iova: this.dma.iova };
  }

  /** For poll(2): ready when the kernel requests the release of the card. */
  get lostFd(): number {
    return this.#removal.number;
  }

  /** For poll(2): ready after a bus error. */
  get busErrorFd(): number {
    return this.#busError.number;
  }

  /** Why the card must be released; undefined if it need not be. Each request or bus error is reported once. */
  whyLost(): FerruleError | undefined {
    if (this.#removal.drain()) return new RemovalRequested(this.name);
    if (this.#busError.drain()) return new BusError(this.name);
    return this.config.read16(VENDOR) === 0xffff ? new DeviceGone(`${this.name}'s configuration space`) : undefined;
  }

  /**
   * Sets bus mastering, and restores the interrupts if a reset of the bus has cleared them. The kernel restores the
   * BARs when the command register is written, but not MSI or MSI-X. @throws {SystemError} if the kernel cannot enable
   * the interrupts now
   */
  setBusMaster(on: boolean): void {
    this.#interruptsLost ||= !decodesMemory(this.config);
    setBusMaster(this.config, on);
    if (this.#interruptsLost) this.interrupts.restore();
    this.#interruptsLost = false;
  }

  /** Asks the kernel to reset the function, if that is possible. @throws {SystemError} */
  reset(): ResetKind {
    return reset(this.#access, this.#info, this.#card);
  }

  [Symbol.dispose](): void {
    withRootCause(() => this.#scope.dispose());
  }

  #mmio(bus: RegisterBus, scope: DisposableStack): Mmio {
    return scope.adopt(new Mmio(bus), (mmio) => mmio.revoke(this.name));
  }

  /** Opens the registers in the first base address register (BAR) that is for memory. */
  #openBar(scope: DisposableStack): RegisterBus {
    const { file } = this.#access;
    const bar = firstMemoryBar(this.config, (index) => file.region(index).bytes);
    if (bar === undefined) throw new NoRegisters(this.name);
    const region = file.region(bar);
    if (region.bytes < MIN_REGISTER_BYTES)
      throw new BarTooSmall(this.name, { bar, bytes: region.bytes, needed: MIN_REGISTER_BYTES });
    this.#bar = bar;
    return openRegisters(file, region, `registers of ${this.name}`, scope);
  }

  /**
   * Creates an eventfd for one kind of notification about the card. It is never signalled if the kernel does not
   * support that kind.
   */
  #listen(kernel: VfioKernel, index: number, scope: DisposableStack): Event {
    const { file } = this.#access;
    const event = scope.use(kernel.event());
    if (this.#info.irqs <= index || file.irq(index).count === 0) return event;
    file.setIrqs({ index, start: 0, count: 1, action: IrqAction.signal, fds: [event.number] });
    scope.defer(() => undo(() => file.setIrqs({ index, start: 0, count: 0, action: IrqAction.off, fds: [] })));
    return event;
  }
}

const unsafeWarning = (address: string): Warning => ({
  message: `no IOMMU: ${address} can read and write all of this machine's memory`,
  hint: "Use this for experiments only. The kernel is now marked as tainted.",
});
