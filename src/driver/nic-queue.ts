/**
 * One queue of a NIC, polled by a thread of its own: the queue's rings, doorbell and interrupt. Another thread owns the
 * NIC. The queue's thread reads no register, and writes only registers in which a single write sets or clears a bit of
 * the queue.
 */
import { chipNamed } from "#chip/chips.ts";
import { IMR_V2_CLEAR, IMR_V2_SET, ISR_V2 } from "#chip/registers-8125.ts";
import { Intr } from "#chip/registers.ts";
import type { BusAddress } from "#kit/dma.ts";
import { Misuse } from "#kit/errors.ts";
import type { InterruptLine } from "#kit/interrupts.ts";
import type { FrameMemory, Offloads } from "#kit/link.ts";
import type { Mmio } from "#kit/mmio.ts";
import { queueBits } from "./interrupts.ts";
import { offloadsOf } from "./offload-rules.ts";
import { type LentQueue, type RingPair, type RunningNic, sameRings } from "./rings.ts";

export interface QueueDevice {
  readonly registers: Mmio;
  /** The NIC's DMA window, and the window's device address. */
  readonly window: FrameMemory;
  readonly iova: BusAddress;
}

/** An object of this class is valid until the NIC goes down. */
export class NicQueue {
  readonly line: InterruptLine;
  readonly offloads: Offloads;
  readonly #registers: Mmio;
  readonly #pair: RingPair;
  /** The queue's bits in the vectored status and in the mask registers. */
  readonly #bits: number;

  /** @throws {Misuse} if `lent` names an unknown chip, or its recorded memory does not fit the rings */
  constructor(lent: LentQueue, { registers, window, iova }: QueueDevice, line: InterruptLine) {
    const chip = chipNamed(lent.chip);
    if (chip === undefined) throw new Misuse(`no chip is named ${lent.chip}`);
    const { profile } = chip;
    this.line = line;
    this.offloads = offloadsOf(profile.frames, lent.settings.mtu);
    this.#registers = registers;
    this.#pair = sameRings(lent, profile, { io: registers, window, iova });
    this.#bits = queueBits(profile.queues, lent.queue) >>> 0;
  }

  get link(): RunningNic {
    return this.#pair.link;
  }

  /** Like `Nic.interrupt`, but reads no status, and always reports both receive and transmit events. */
  interrupt(): number {
    this.mask();
    this.#registers.acknowledge32(ISR_V2, this.#bits);
    return Intr.receiveOk | Intr.transmitOk;
  }

  mask(): void {
    this.#registers.write32(IMR_V2_CLEAR, this.#bits);
  }

  /**
   * Like `Nic.acknowledge`, but does not find out whether there was an event, and returns 0. If the NIC sets the bit
   * again while the write is on its way, the write clears that event too, so the caller must check the ring once more a
   * little later.
   */
  acknowledge(): number {
    this.#registers.acknowledge32(ISR_V2, this.#bits);
    return 0;
  }

  unmask(): void {
    this.#registers.write32(IMR_V2_SET, this.#bits);
  }

  /** Makes the counters of the rings visible to the NIC's thread. */
  settle(): void {
    this.#pair.receive.core.settle();
    this.#pair.transmit?.core.settle();
  }

  /** True if a received frame waits in the ring. */
  get waiting(): boolean {
    return this.#pair.receive.waiting();
  }

  /** Like `Nic.pending`, but depends on the receive ring alone, because this thread does not read the status. */
  get pending(): boolean {
    return this.waiting;
  }
}
