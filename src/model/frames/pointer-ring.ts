/**
 * A transmit ring of the RTL8125 and later. Driver and chip can hand over descriptors by counts instead of OWN bits.
 */
import { Own } from "#chip/descriptors.ts";
import type { RingPointers } from "#chip/queues.ts";
import { TxConf, TxConfig } from "#chip/registers.ts";
import type { Page } from "../registers/page.ts";
import { DescriptorRing, type RingParts } from "./ring.ts";

/**
 * Mask of a count, by its size in bytes. Counts of 32 bits do not use the top bit (DPDK,
 * MAX_TX_NO_CLOSE_DESC_PTR_MASK).
 */
const MASK = { 2: 0xffff, 4: 0x7fff_ffff } as const;

/**
 * In "no close" mode (the name in Realtek's drivers and DPDK), software writes the number of descriptors that it has
 * filled to a register, which is also the doorbell. The chip writes the number it has sent to another register and
 * leaves the descriptors unchanged. Both counts start at 0 when the ring starts. All drivers set OWN in this mode too,
 * and the model requires it.
 */
export class PointerRing extends DescriptorRing {
  readonly #page: Page;
  readonly #close: number;
  readonly #bytes: 2 | 4;
  readonly #mask: number;
  readonly #limit: number;
  #tail = 0;
  #closed = 0;
  #byPointers = false;

  constructor(parts: RingParts, register: number, pointers: RingPointers, queue: number) {
    super(parts, register);
    this.#page = parts.page;
    this.#close = pointers.close + queue * pointers.step;
    this.#bytes = pointers.bytes;
    this.#mask = MASK[pointers.bytes];
    this.#limit = parts.facts.ringLimit;
  }

  /** Called when TxConfig was written. */
  configure(): void {
    this.#byPointers = (this.#page.get(TxConfig, 4) & TxConf.countsClosed) !== 0;
  }

  /** Whether "no close" mode is on. */
  get byPointers(): boolean {
    return this.#byPointers;
  }

  /**
   * Called when software has filled descriptors up to `count`. Limits the difference between the two counts to the size
   * of the ring.
   */
  moveTail(count: number): void {
    const ahead = Math.min((count - this.#closed) & this.#mask, this.#limit);
    this.#tail = (this.#closed + ahead) & this.#mask;
    // If both counts share a register, software has just overwritten the chip's count.
    this.#show();
  }

  override rewind(): void {
    super.rewind();
    this.#tail = 0;
    this.#closed = 0;
    this.#show();
  }

  override opts1(at: number, ahead: number): number {
    const opts1 = super.opts1(at, ahead);
    return !this.#byPointers || ahead < ((this.#tail - this.#closed) & this.#mask) ? opts1 : opts1 & ~Own;
  }

  override publish(at: number, opts1: number): void {
    if (!this.#byPointers) {
      super.publish(at, opts1);
      return;
    }
    this.#closed = (this.#closed + 1) & this.#mask;
    this.#show();
  }

  #show(): void {
    this.#page.put(this.#close, this.#bytes, this.#closed);
  }
}
