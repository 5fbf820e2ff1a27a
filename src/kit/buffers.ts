/**
 * Frame buffers of one size, carved from DMA memory and named by their byte offset in the window.
 *
 * A buffer is free, the CPU's or the device's. Moving it away narrows the variable that held it to `never`, so the
 * compiler refuses the next use; `CheckedBufferPool` refuses it at run time as well.
 */
import type { DmaMemory } from "./dma.ts";
import { Misuse, OutOfRange } from "./errors.ts";

declare const owner: unique symbol;

/** Byte offset of a buffer the CPU may read and write. */
export type CpuBuffer = number & { readonly [owner]: "cpu" };
/** Byte offset of a buffer that only the device touches. */
export type DeviceBuffer = number & { readonly [owner]: "device" };
type FreeBuffer = number & { readonly [owner]: "free" };

/** What `take` returns when no buffer is free. */
export const NONE = -1;

/** Turns a second move of one buffer into a compile error that says so. */
type Once<B> = [B] extends [never] ? [error: "this buffer was already given away"] : [];

/** Buffers and who has them. Write the variable's type as `Buffers` (or the pool's): narrowing needs it. */
export interface Buffers {
  /** Bytes in each buffer. */
  readonly bufferBytes: number;
  /** Buffers in all. */
  readonly count: number;
  /** Buffers that `take` can still give out. */
  readonly free: number;
  /** A buffer for the CPU, or `NONE`. The one given back last comes first: it is the warmest in the cache. */
  take(): CpuBuffer | typeof NONE;
  /** The CPU is done with it. */
  give<B extends CpuBuffer>(buffer: B, ...once: Once<B>): asserts buffer is B & FreeBuffer;
  /** The CPU hands it to the device: call it before the descriptor that names it is published. */
  lend<B extends CpuBuffer>(buffer: B, ...once: Once<B>): asserts buffer is B & DeviceBuffer;
  /** The device is done with the buffer lent at this offset; it is the CPU's again. */
  regain(offset: number): CpuBuffer;
}

/** Trusts its callers; for the data path. Free buffers are a stack in an Int32Array, so nothing is allocated. */
export class BufferPool implements Buffers {
  readonly bufferBytes: number;
  readonly count: number;
  readonly #stack: Int32Array;
  #top: number;

  /**
   * Uses all of `memory` that whole buffers fill.
   * @param bufferBytes a multiple of 8, so that every buffer is as aligned as the hardware wants it
   * @throws {OutOfRange} when `memory` does not hold a single one
   */
  constructor(memory: DmaMemory, bufferBytes: number) {
    if (!Number.isInteger(bufferBytes) || bufferBytes <= 0 || bufferBytes % 8 !== 0)
      throw new OutOfRange(`buffers of ${bufferBytes} bytes: must be a multiple of 8`);
    this.bufferBytes = bufferBytes;
    this.count = Math.floor(memory.length / bufferBytes);
    if (this.count === 0)
      throw new OutOfRange(`${memory.length} bytes of DMA memory hold no buffer of ${bufferBytes} bytes`);
    this.#stack = new Int32Array(this.count);
    // The lowest offset is on top.
    for (let i = 0; i < this.count; i++) this.#stack[i] = memory.offset + (this.count - 1 - i) * bufferBytes;
    this.#top = this.count;
  }

  get free(): number {
    return this.#top;
  }

  take(): CpuBuffer | typeof NONE {
    if (this.#top === 0) return NONE;
    return this.#stack[--this.#top] as CpuBuffer;
  }

  give<B extends CpuBuffer>(buffer: B, ...once: Once<B>): asserts buffer is B & FreeBuffer;
  give(buffer: number): void {
    if (this.#top === this.count) throw new Misuse("a buffer was given to a pool that has all of its own");
    this.#stack[this.#top++] = buffer;
  }

  lend<B extends CpuBuffer>(buffer: B, ...once: Once<B>): asserts buffer is B & DeviceBuffer;
  lend(): void {}

  regain(offset: number): CpuBuffer {
    return offset as CpuBuffer;
  }
}

const FREE = 0;
const CPU = 1;
const DEVICE = 2;
const OWNER_NAMES = ["free", "the CPU's", "the device's"] as const;

/** Knows who has each buffer and throws on every wrong move; for tests, fuzzers and hunting. */
export class CheckedBufferPool implements Buffers {
  readonly bufferBytes: number;
  readonly count: number;
  readonly #pool: BufferPool;
  readonly #first: number;
  readonly #owners: Uint8Array;

  /** As `BufferPool`. */
  constructor(memory: DmaMemory, bufferBytes: number) {
    this.#pool = new BufferPool(memory, bufferBytes);
    this.bufferBytes = bufferBytes;
    this.count = this.#pool.count;
    this.#first = memory.offset;
    this.#owners = new Uint8Array(this.count);
  }

  get free(): number {
    return this.#pool.free;
  }

  take(): CpuBuffer | typeof NONE {
    const buffer = this.#pool.take();
    if (buffer !== NONE) this.#move("take", buffer, FREE, CPU);
    return buffer;
  }

  /** @throws {Misuse} unless the buffer is the CPU's */
  give<B extends CpuBuffer>(buffer: B, ...once: Once<B>): asserts buffer is B & FreeBuffer;
  give(buffer: number): void {
    this.#move("give", buffer, CPU, FREE);
    this.#pool.give(buffer as CpuBuffer);
  }

  /** @throws {Misuse} unless the buffer is the CPU's */
  lend<B extends CpuBuffer>(buffer: B, ...once: Once<B>): asserts buffer is B & DeviceBuffer;
  lend(buffer: number): void {
    this.#move("lend", buffer, CPU, DEVICE);
  }

  /** @throws {Misuse} unless the buffer is the device's */
  regain(offset: number): CpuBuffer {
    this.#move("regain", offset, DEVICE, CPU);
    return offset as CpuBuffer;
  }

  /** Before reading or writing a buffer. @throws {Misuse} unless the buffer is the CPU's */
  check(buffer: CpuBuffer): void {
    this.#move("use", buffer, CPU, CPU);
  }

  #move(verb: string, buffer: number, from: number, to: number): void {
    const slot = (buffer - this.#first) / this.bufferBytes;
    const owner = this.#owners[slot];
    if (owner === undefined) throw new Misuse(`${verb}: no buffer of this pool starts at offset ${buffer}`);
    if (owner !== from)
      throw new Misuse(`${verb}: the buffer at offset ${buffer} is ${OWNER_NAMES[owner]}, not ${OWNER_NAMES[from]}`);
    this.#owners[slot] = to;
  }
}
