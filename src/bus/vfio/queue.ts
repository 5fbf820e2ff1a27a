/** A card as a thread sees it that works on one queue: the card itself, its memory and its interrupts are another thread's. */
import type { BusAddress } from "#kit/dma.ts";
import type { FrameMemory } from "#kit/link.ts";
import { Mmio } from "#kit/mmio.ts";
import { Fd } from "#sys/fd.ts";
import { Mapping } from "#sys/mapping.ts";
import { VfioDeviceFile } from "#sys/vfio-device.ts";
import { openRegisters } from "./registers.ts";

/** What it needs, while the other thread's `VfioDevice` is open. Survives structured cloning. */
export interface SharedCard {
  readonly name: string;
  /** Descriptor of the device, and the region of the registers. */
  readonly file: number;
  readonly bar: number;
  /** The DMA window in this process. */
  readonly memory: { readonly address: bigint; readonly bytes: number };
  readonly iova: BusAddress;
}

export class VfioQueue implements Disposable {
  readonly registers: Mmio;
  readonly window: FrameMemory;
  readonly iova: BusAddress;
  readonly #scope: DisposableStack;

  /** @throws {SystemError} */
  constructor({ name, file, bar, memory, iova }: SharedCard) {
    using scope = new DisposableStack();
    // Not this thread's to close.
    const device = new VfioDeviceFile(new Fd(file, name, () => {}));
    const registers = new Mmio(openRegisters(device, device.region(bar), `registers of ${name}`, scope));
    this.registers = scope.adopt(registers, (mmio) => mmio.revoke(name));
    const buffer = Mapping.borrow(memory.address, memory.bytes);
    this.window = { bytes: new Uint8Array(buffer), words: new Int32Array(buffer) };
    this.iova = iova;
    this.#scope = scope.move();
  }

  /**
   * Posted writes have left this processor once it stores with a lock prefix, or a barrier, as `Atomics` does; they reach the card
   * before the other thread's next read of a register does.
   */
  flush(): void {}

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}
