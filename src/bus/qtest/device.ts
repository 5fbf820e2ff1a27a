/**
 * A device of QEMU controlled through qtest: register accesses are lines of text, memory is shared. Neither a guest nor
 * VFIO is needed.
 */
import type { PciDevice, PciId, PciMatch } from "#kit/device.ts";
import { DmaArena } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Mmio, type RegisterBus, rw16 } from "#kit/mmio.ts";
import type { Fd } from "#sys/fd.ts";
import { Mapping } from "#sys/mapping.ts";
import { FunctionPower } from "../function-power.ts";
import { identity, setBusMaster } from "../window.ts";
import { QtestConnection } from "./connection.ts";
import { QtestBroken } from "./errors.ts";
import { PinInterrupt } from "./interrupts.ts";
import { assignWindows, findFunction, interruptPin } from "./pci.ts";
import { ENDIANNESS, interceptPins, readMemory, writeMemory } from "./protocol.ts";

export interface QtestOptions {
  /**
   * The qtest socket of a QEMU that was started with machine type q35. The `QtestDevice` takes ownership of the socket.
   */
  readonly socket: Fd;
  /** The device is the first function that matches one of these. */
  readonly ids: readonly PciMatch[];
  /** The BAR with the registers; default: the first memory BAR. */
  readonly bar?: number | undefined;
  /** The part of the machine's RAM used as DMA memory. Nothing else may use it. */
  readonly memory: {
    /** The file that contains the RAM. */
    readonly file: number;
    /** Offset of the part in the file: a multiple of 4096. */
    readonly offset: number;
    /** Address of the part in the machine: a multiple of 4096. */
    readonly address: number;
    /** Length of the part: a multiple of 4096. */
    readonly bytes: number;
  };
}

const COMMAND = rw16(0x04);
/** QEMU's name of the I/O APIC of a q35 machine. */
const INTERRUPT_CONTROLLER = "ioapic";

/**
 * Disposing closes the connection but does not end QEMU. After QEMU has ended, registers read all ones, like those of a
 * removed card.
 */
export class QtestDevice implements PciDevice, Disposable {
  readonly name = "qtest";
  readonly id: PciId;
  readonly config: Mmio;
  readonly registers: Mmio;
  readonly dma: DmaArena;
  readonly interrupts: PinInterrupt;
  readonly power: FunctionPower;
  readonly #connection: QtestConnection;
  readonly #scope: DisposableStack;
  #open = false;
  #gone: string | undefined;

  /**
   * @throws {QemuEnded} {QtestRefused} {QtestBroken} {Timeout} for errors of QEMU
   * @throws {NoSuchFunction} if the device is not on QEMU's bus; {OutOfRange} if the interrupt of its slot is not
   * known; {SystemError} if the memory cannot be mapped
   */
  constructor(options: QtestOptions) {
    using scope = new DisposableStack();
    this.interrupts = new PinInterrupt({ poll: () => this.#listen(0) });
    let pin = -1;
    this.#connection = scope.use(
      new QtestConnection({
        name: this.name,
        socket: options.socket,
        onPin: (changed, raised) => {
          if (changed === pin) this.interrupts.change(raised);
        },
      }),
    );
    this.#greet();
    const found = findFunction(this.#connection, this.name, options.ids);
    this.config = scope.adopt(new Mmio(this.#guarded(found.config)), (mmio) => mmio.revoke(this.name));
    this.id = identity(this.config);
    // Disables decoding, which another driver may have left on: registers must not respond while addresses are probed.
    this.config.write16(COMMAND, 0);
    const window = assignWindows(this.config, this.name, options.bar);
    this.registers = scope.adopt(new Mmio(this.#window(window.address, window.bytes)), (mmio) =>
      mmio.revoke(this.name),
    );
    setBusMaster(this.config, false);
    this.power = new FunctionPower(this);
    pin = interruptPin(this.config, found.slot) ?? pin;
    if (pin < 0)
      throw new OutOfRange(`${this.name}: no interrupt of slot ${found.slot} is known`, "Use slots 1 to 24.");
    this.#connection.ask(interceptPins(INTERRUPT_CONTROLLER));
    const { file, offset, address, bytes } = options.memory;
    const mapping = scope.use(Mapping.map(file, offset, bytes, `DMA memory of ${this.name}`));
    this.dma = scope.use(new DmaArena(mapping.buffer, address, bytes));
    this.#scope = scope.move();
    this.#open = true;
  }

  /** Why the connection has failed; undefined while it works. */
  get gone(): string | undefined {
    return this.#gone;
  }

  setBusMaster(on: boolean): void {
    setBusMaster(this.config, on);
  }

  /** Waits up to `millis` for an interrupt. Returns true if there is one or QEMU has ended. */
  wait(millis: number): boolean {
    const end = performance.now() + millis;
    while (!this.interrupts.pending && this.#gone === undefined) {
      const left = Math.ceil(end - performance.now());
      this.#listen(Math.max(0, left));
      if (left <= 0) break;
    }
    return this.interrupts.pending || this.#gone !== undefined;
  }

  /**
   * Returns when QEMU has handled everything that was ready before the call, such as frames in a socket. QEMU handles
   * ready events in rounds and replies to one request in each round, so this sends two requests.
   */
  settle(): void {
    for (let i = 0; i < 2; i++) this.config.read16(COMMAND);
  }

  [Symbol.dispose](): void {
    this.#gone ??= "it was closed";
    this.#scope.dispose();
  }

  #greet(): void {
    const order = this.#connection.ask(ENDIANNESS);
    if (order !== "little") throw new QtestBroken(this.name, `its byte order is "${order}" instead of "little"`);
  }

  #listen(millis: number): void {
    this.#try(undefined, () => this.#connection.listen(millis));
  }

  #window(address: number, bytes: number): RegisterBus {
    return this.#guarded({
      length: bytes,
      read: (offset, width) => this.#connection.askNumber(readMemory(address + offset, width), width),
      write: (offset, width, value) => void this.#connection.ask(writeMemory(address + offset, width, value)),
    });
  }

  /** If the connection fails after the device was opened, reads return all ones and writes have no effect. */
  #guarded(bus: RegisterBus): RegisterBus {
    return {
      length: bus.length,
      read: (offset, width) => this.#try(2 ** (8 * width) - 1, () => bus.read(offset, width)),
      write: (offset, width, value) => this.#try(undefined, () => bus.write(offset, width, value)),
    };
  }

  #try<T>(otherwise: T, act: () => T): T {
    if (this.#gone !== undefined) return otherwise;
    try {
      return act();
    } catch (error) {
      // Only errors of the connection are handled; invalid accesses throw to the caller.
      if (!this.#open || this.#connection.gone === undefined) throw error;
      this.#gone = this.#connection.gone;
      return otherwise;
    }
  }
}
