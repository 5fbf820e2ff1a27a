/** A card as used by a thread that serves one queue. Another thread owns the card, its memory and its interrupts. */
import type { BusAddress } from "#kit/dma.ts";
import type { FrameMemory } from "#kit/link.ts";
import { Mmio } from "#kit/mmio.ts";
import { Fd } from "#sys/fd.ts";
import { Mapping } from "#sys/mapping.ts";
import { VfioDeviceFile } from "#sys/vfio-device.ts";
import { openRegisters } from "./registers.ts";

/** What `VfioQueue` needs. Valid while the other thread's `VfioDevice` is open. Can be passed to a worker. */
export interface SharedCard {
  readonly name: string;
  /** Descriptor of the device. */
  readonly file: number;
  /** Number of the region with the registers. */
  readonly bar: number;
  /** Address and size of the DMA window in this process. */
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
    // Another thread owns the descriptor and closes it.
    const device = new VfioDeviceFile(new Fd(file, name, () => {}));
    const registers = new Mmio(openRegisters(device, device.region(bar), `registers of ${name}`, scope));
    this.registers = scope.adopt(registers, (mmio) => mmio.revoke(name));
    const buffer = Mapping.borrow(memory.address, memory.bytes);
    this.window = { bytes: new Uint8Array(buffer), words: new Int32Array(buffer) };
    this.iova = iova;
    this.#scope = scope.move();
  }

  /**
   * Nothing to do: the next `Atomics` store acts as a barrier, so posted writes have left this processor by then. They
   * reach the card before the other thread's next register read.
   */
  flush(): void {}

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}
