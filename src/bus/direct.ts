/**
 * A model in the driver's own thread: each access is a function call. This is the default for a model. With a virtual
 * clock it is deterministic.
 */
import type { PciDevice, PciId } from "#kit/device.ts";
import { DmaArena } from "#kit/dma.ts";
import { SoftInterrupts } from "#kit/line.ts";
import type { FrameMemory } from "#kit/link.ts";
import { Mmio, type RegisterBus } from "#kit/mmio.ts";
import type { RegionName, Target } from "#kit/target.ts";
import { Revoked } from "#kit/errors.ts";
import { CheckedMemory } from "./checked-memory.ts";
import { FunctionPower } from "./function-power.ts";
import { WINDOW_IOVA, WindowMemory, identity, setBusMaster } from "./window.ts";

export interface DirectOptions {
  readonly name: string;
  /** The region that contains the registers. */
  readonly registers: RegionName;
  /** Number of bytes of DMA memory: a multiple of 4096. */
  readonly dmaBytes: number;
  readonly vectors: number;
  /**
   * For tests: whether each access of the device is checked to be inside one piece of DMA memory and in its direction.
   */
  readonly checked?: boolean;
  /** Memory whose first `dmaBytes` bytes are the DMA window; allocated by default. */
  readonly memory?: FrameMemory;
}

/**
 * Disposing ends the use of the device: its configuration space, registers and DMA memory throw `Revoked` afterwards.
 */
export class DirectDevice implements PciDevice, Disposable {
  readonly name: string;
  readonly id: PciId;
  readonly config: Mmio;
  readonly registers: Mmio;
  readonly dma: DmaArena;
  readonly interrupts: SoftInterrupts;
  readonly power: FunctionPower;
  #gone = false;

  constructor(target: Target, options: DirectOptions) {
    this.name = options.name;
    const { dmaBytes, memory } = options;
    this.dma = new DmaArena(memory?.bytes.buffer ?? new ArrayBuffer(dmaBytes), WINDOW_IOVA, dmaBytes);
    this.interrupts = new SoftInterrupts(options.vectors);
    const checked = options.checked === true;
    if (checked) this.dma.changed = () => target.memoryChanged();
    const guest = checked
      ? new CheckedMemory(this.dma)
      : new WindowMemory(memory ?? this.dma.window, WINDOW_IOVA, dmaBytes);
    target.attach(guest, (vector) => this.interrupts.raise(vector));
    this.config = new Mmio(this.#region(target, "config"));
    // Enables memory space, but not bus mastering, as a system does before it passes a device to a driver.
    setBusMaster(this.config, false);
    this.registers = new Mmio(this.#region(target, options.registers));
    this.id = identity(this.config);
    this.power = new FunctionPower(this);
  }

  setBusMaster(on: boolean): void {
    setBusMaster(this.config, on);
  }

  [Symbol.dispose](): void {
    this.#gone = true;
    this.dma.revoke();
  }

  #region(target: Target, region: RegionName): RegisterBus {
    const alive = (): void => {
      if (this.#gone) throw new Revoked(this.name);
    };
    return {
      length: target.size(region),
      read: (offset, width) => {
        alive();
        return target.read(region, offset, width);
      },
      write: (offset, width, value) => {
        alive();
        target.write(region, offset, width, value);
      },
    };
  }
}
