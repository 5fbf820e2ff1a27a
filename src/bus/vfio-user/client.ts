/** A device on a vfio-user socket, for a driver: registers by message, shared memory, interrupts by eventfd. */
import type { PciId, RemovableDevice } from "#kit/device.ts";
import { DmaArena } from "#kit/dma.ts";
import { type FerruleError, OutOfRange, withRootCause } from "#kit/errors.ts";
import { INTERRUPT_KINDS, type InterruptKind, type InterruptLine, type Interrupts } from "#kit/interrupts.ts";
import { Mmio, type RegisterBus, rw16 } from "#kit/mmio.ts";
import { EventFd } from "#sys/eventfd.ts";
import { Mapping, createMemory } from "#sys/mapping.ts";
import { connectUnix } from "#sys/unix-path.ts";
import { eventLine } from "../event-line.ts";
import { FunctionPower } from "../function-power.ts";
import { findCapability } from "../power.ts";
import { WINDOW_IOVA, firstMemoryBar, identity, setBusMaster } from "../window.ts";
import { DEVICE_INFO, DMA_MAP, IRQ_INFO, IRQ_SET, REGION_INFO } from "./codec.ts";
import { ProtocolBroken } from "./errors.ts";
import { Command, Irq, MapFlag, Region, SetFlag } from "./protocol.ts";
import { Requests } from "./requests.ts";

export interface VfioUserOptions {
  /** Path of the server's socket. */
  readonly path: string;
  /** Number of bytes of DMA memory: a multiple of 4096. Default: 32 MiB. */
  readonly dmaBytes?: number;
  /**
   * A descriptor that becomes ready when the device must be released. From then on this end waits at most 0.4 s for the
   * server, in all requests together.
   */
  readonly stop?: number | undefined;
}

const DMA_BYTES = 32 << 20;

/** Identifiers of the capabilities (PCI 3.0, 6.8), and the enable bit in the control word of each. */
const MSI = 0x05;
const MSI_ENABLE = 1 << 0;
const MSIX = 0x11;
const MSIX_ENABLE = 1 << 15;

/**
 * Sets the enable bit of MSI or MSI-X. Passing eventfds to the server is not sufficient: without this bit the device
 * would use INTx.
 */
const enable = (config: Mmio, capability: number, bit: number): void => {
  const at = findCapability(config, capability);
  if (at !== undefined) config.update16(rw16(at + 2), 0, bit);
};

/**
 * The interrupts: MSI-X if the device has it, else MSI, else INTx. The server masks INTx when it is signalled; `unmask`
 * enables it again.
 */
class EventInterrupts implements Interrupts {
  readonly #requests: Requests;
  readonly #config: Mmio;
  readonly #requested = new Set<number>();
  #index: number = Irq.intx;
  #vectors = 0;

  constructor(requests: Requests, config: Mmio) {
    this.#requests = requests;
    this.#config = config;
    this.limit("msix");
  }

  get vectors(): number {
    return this.#vectors;
  }

  limit(best: InterruptKind): void {
    if (this.#requested.size > 0) throw new OutOfRange("interrupt vectors are already requested");
    const allowed = INTERRUPT_KINDS.slice(INTERRUPT_KINDS.indexOf(best)).map((kind) => Irq[kind]);
    this.#index = allowed.find((index) => this.#count(index) > 0) ?? Irq.intx;
    this.#vectors = this.#count(this.#index);
  }

  request(vectors: number | readonly number[]): InterruptLine {
    const all = [vectors].flat();
    for (const vector of all) {
      if (!(vector >= 0 && vector < this.vectors))
        throw new OutOfRange(`interrupt vector ${vector} does not exist: the device has ${this.vectors}`);
      if (this.#requested.has(vector)) throw new OutOfRange(`interrupt vector ${vector} is already requested`);
    }
    if (this.#index === Irq.msix) enable(this.#config, MSIX, MSIX_ENABLE);
    if (this.#index === Irq.msi) enable(this.#config, MSI, MSI_ENABLE);
    using scope = new DisposableStack();
    const event = scope.use(EventFd.create({ shared: true }));
    for (const vector of all) {
      this.#set(vector, SetFlag.eventfd | SetFlag.trigger, [event.number]);
      scope.defer(() => {
        this.#requested.delete(vector);
        // Nothing is sent on a failed connection.
        if (this.#requests.lost === undefined) this.#tryToSet(vector, SetFlag.eventfd | SetFlag.trigger);
      });
      this.#requested.add(vector);
    }
    const owned = scope.move();
    return eventLine({
      event,
      unmasked: () => {
        if (this.#index === Irq.intx && this.#requests.lost === undefined)
          this.#tryToSet(0, SetFlag.none | SetFlag.unmask);
      },
      dispose: () => owned.dispose(),
    });
  }

  #count(index: number): number {
    const values = { argsz: IRQ_INFO.bytes, flags: 0, index, count: 0 };
    return this.#requests.ask(Command.irqInfo, IRQ_INFO, values).count;
  }

  /** Does not throw if the connection fails; `whyLost` then has the reason. */
  #tryToSet(vector: number, flags: number): void {
    this.#requests.attempt(() => this.#set(vector, flags));
  }

  #set(vector: number, flags: number, fds: readonly number[] = []): void {
    const values = { argsz: IRQ_SET.bytes, flags, index: this.#index, start: vector, count: 1 };
    this.#requests.send(Command.setIrqs, IRQ_SET, values, fds);
  }
}

/** Disposing closes the connection. The server decides in what state the next client gets the device. */
export class VfioUserDevice implements RemovableDevice, Disposable {
  readonly name: string;
  readonly id: PciId;
  readonly config: Mmio;
  readonly registers: Mmio;
  readonly dma: DmaArena;
  readonly interrupts: Interrupts;
  readonly power: FunctionPower;
  readonly #requests: Requests;
  readonly #scope: DisposableStack;

  private constructor(options: VfioUserOptions, requests: Requests, scope: DisposableStack) {
    this.name = `vfio-user:${options.path}`;
    this.#requests = requests;
    this.config = scope.adopt(new Mmio(this.#region(Region.config)), (mmio) => mmio.revoke(this.name));
    this.registers = scope.adopt(new Mmio(this.#region(this.#memoryBar())), (mmio) => mmio.revoke(this.name));
    this.id = identity(this.config);
    this.power = new FunctionPower(this);
    // Enables memory space, without which registers do not respond.
    setBusMaster(this.config, false);
    this.interrupts = new EventInterrupts(requests, this.config);
    this.dma = scope.use(this.#shareMemory(options.dmaBytes ?? DMA_BYTES, scope));
    this.#scope = scope.move();
  }

  /**
   * @throws {SystemError} such as ECONNREFUSED if nothing listens at `path`; {Timeout} if the server's queue is full
   * @throws {ProtocolBroken} {RequestRefused} {ServerLost} for errors of the server
   */
  static connect(options: VfioUserOptions): VfioUserDevice {
    return withRootCause(() => {
      using scope = new DisposableStack();
      const requests = scope.use(new Requests(connectUnix(options.path), `vfio-user:${options.path}`, options.stop));
      return new VfioUserDevice(options, requests, scope);
    });
  }

  /**
   * For poll(2): becomes ready when the server has closed the connection. Nothing else makes it ready, because a server
   * that shares the memory sends nothing without a request.
   */
  get lostFd(): number {
    return this.#requests.fd;
  }

  /** Why the connection has failed; undefined while it works. After a failure all registers read all ones. */
  whyLost(): FerruleError | undefined {
    this.#requests.check();
    return this.#requests.lost;
  }

  setBusMaster(on: boolean): void {
    setBusMaster(this.config, on);
  }

  /** Resets the function, as its bus would. @throws {RequestRefused} {ProtocolBroken} {ServerLost} */
  reset(): void {
    this.#requests.reset();
  }

  [Symbol.dispose](): void {
    withRootCause(() => this.#scope.dispose());
  }

  #region(index: number): RegisterBus {
    const requests = this.#requests;
    const length = this.#regionBytes(index);
    // As on a bus, a configuration write waits for its completion and a memory write is posted.
    const posted = index !== Region.config;
    return {
      length,
      read: (offset, width) => requests.read(index, offset, width),
      write: (offset, width, value) => requests.write(index, offset, width, value, posted),
    };
  }

  #regionBytes(index: number): number {
    const fields = { argsz: REGION_INFO.bytes, flags: 0, index, capabilities: 0, size: 0, offset: 0 };
    const { size } = this.#requests.ask(Command.regionInfo, REGION_INFO, fields);
    if (!Number.isSafeInteger(size)) throw new ProtocolBroken(this.name, `region ${index} is too large`);
    return size;
  }

  /** Returns the number of the first base address register (BAR) that is for memory. */
  #memoryBar(): number {
    const info = { argsz: DEVICE_INFO.bytes, flags: 0, regions: 0, irqs: 0 };
    const { regions, irqs } = this.#requests.ask(Command.deviceInfo, DEVICE_INFO, info);
    if (regions <= Region.config || irqs <= Irq.msix)
      throw new ProtocolBroken(this.name, "it does not serve a PCI function");
    const bar = firstMemoryBar(this.config, (index) => this.#regionBytes(index));
    if (bar === undefined) throw new ProtocolBroken(this.name, "its function has no registers in memory");
    return bar;
  }

  #shareMemory(bytes: number, scope: DisposableStack): DmaArena {
    using memory = createMemory("dma", bytes);
    const mapping = scope.use(Mapping.map(memory.number, 0, bytes, `DMA memory of ${this.name}`));
    const flags = MapFlag.read | MapFlag.write;
    const map = { argsz: DMA_MAP.bytes, flags, offset: 0, address: WINDOW_IOVA, size: bytes };
    this.#requests.send(Command.dmaMap, DMA_MAP, map, [memory.number]);
    return new DmaArena(mapping.buffer, WINDOW_IOVA, bytes);
  }
}
