/** DMA memory, which both CPU and device can access, allocated from one window. */
import { FerruleError, OutOfRange, Revoked } from "./errors.ts";
import type { FrameMemory } from "./link.ts";

declare const bus: unique symbol;

/**
 * An address as seen by the device. Only objects that own a DMA window, and `addressAt`, create one; the result of
 * arithmetic on an address is a plain number.
 */
export type BusAddress = number & { readonly [bus]: "address" };
/** The low and high half of a bus address, as 32-bit words. */
export type BusLow = number & { readonly [bus]: "low" };
export type BusHigh = number & { readonly [bus]: "high" };

export const lowHalf = (address: BusAddress): BusLow => (address | 0) as BusLow;
export const highHalf = (address: BusAddress): BusHigh => (Math.floor(address / 2 ** 32) | 0) as BusHigh;

/** The bus address of the byte at `offset` in a window that starts at `iova`. */
export const addressAt = (iova: BusAddress, offset: number): BusAddress => (iova + offset) as BusAddress;

/**
 * Stores the low half of the address of the byte at `offset` in a window. `base` is the low half of the window's own
 * address.
 */
export const storeLow = (words: Int32Array, at: number, base: BusLow, offset: number): void => {
  words[at] = (base + offset) | 0;
};
/** Stores the high half of the address of a byte in a window. The high half is the same for the whole window. */
export const storeHigh = (words: Int32Array, at: number, high: BusHigh): void => {
  words[at] = high;
};

/** Direction of the data, as seen from the CPU. */
export type Direction = "toDevice" | "fromDevice" | "both";

/**
 * A piece of DMA memory, which is freed by disposing it. Once the piece is freed or the device is gone, reading `bytes`
 * or `words` throws `Revoked`.
 */
export interface DmaMemory extends Disposable {
  /** The device's address of the first byte. */
  readonly iova: BusAddress;
  readonly length: number;
  readonly direction: Direction;
  /** Offset in the domain's window, in bytes. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The same memory as 32-bit words. */
  readonly words: Int32Array;
}

export interface DmaRequest {
  /** Purpose of the memory, for error messages. */
  readonly what: string;
  /** Number of bytes, greater than 0. */
  readonly bytes: number;
  /** Alignment of the device address in bytes: a power of two from 8 to 2^30. */
  readonly align: number;
  readonly direction: Direction;
}

/** A source of DMA memory for a driver. */
export interface DmaDomain {
  /** The whole window. Only hot paths index it directly; other code uses pieces from `allocate`. */
  readonly window: FrameMemory;
  /** The device address of the window's first byte. The window does not cross a 4 GiB boundary. */
  readonly iova: BusAddress;
  /** @throws {DmaExhausted} if the window has no free span with room for that size and alignment */
  allocate(request: DmaRequest): DmaMemory;
}

/** No free span of the window is large enough, even if the spans together are. */
export class DmaExhausted extends FerruleError {
  readonly code = "DMA_EXHAUSTED";
  readonly hint = "Use smaller rings or fewer buffers, or give the device a larger window.";
  constructor(request: DmaRequest, free: number) {
    super(`no ${request.bytes} contiguous bytes of DMA memory for ${request.what}: ${free} bytes are free in all`);
  }
}

const GIB4 = 2 ** 32;
const MAX_ALIGN = 2 ** 30;

/**
 * Allocates pieces of a window, in the first free span that is large enough (first fit).
 *
 * Invariants: pieces never overlap; freed memory is zeroed before it is allocated again; after `revoke` no piece can be
 * reached through its handle.
 */
export class DmaArena implements DmaDomain, Disposable {
  readonly window: FrameMemory;
  readonly iova: BusAddress;
  /** Free spans, sorted by offset, never adjacent. */
  readonly #free: { offset: number; length: number }[];
  readonly #live = new Set<Piece>();
  #revoked = false;
  /**
   * Called whenever a piece was allocated or disposed. The memory of a disposed piece can be allocated again only after
   * this call.
   */
  changed: () => void = () => {};

  /**
   * @param iova device address of the first byte, a multiple of 4096
   * @param length bytes from the start of `memory` that may be handed out
   * @throws {OutOfRange} if the window is empty, longer than `memory`, not page-aligned, ends beyond 2^53 or crosses a
   * 4 GiB boundary
   */
  constructor(memory: ArrayBufferLike, iova: number, length = memory.byteLength) {
    if (iova % 4096 !== 0 || iova < 0) throw new OutOfRange(`DMA window at 0x${iova.toString(16)} is not page aligned`);
    if (!(length > 0 && length <= memory.byteLength)) throw new OutOfRange(`a DMA window cannot have ${length} bytes`);
    if (!Number.isSafeInteger(iova + length))
      throw new OutOfRange(`DMA window at 0x${iova.toString(16)} ends beyond 2^53`);
    if (Math.floor(iova / GIB4) !== Math.floor((iova + length - 1) / GIB4))
      throw new OutOfRange(`DMA window at 0x${iova.toString(16)} crosses a 4 GiB boundary`);
    this.window = { bytes: new Uint8Array(memory, 0, length), words: new Int32Array(memory, 0, length >> 2) };
    this.iova = iova as BusAddress;
    this.#free = [{ offset: 0, length }];
  }

  /** Number of allocated pieces. */
  get live(): number {
    return this.#live.size;
  }

  /**
   * Allocates zeroed memory; otherwise as `DmaDomain.allocate`.
   * @throws {OutOfRange} for an invalid size or alignment
   * @throws {Revoked} after `revoke`
   */
  allocate(request: DmaRequest): DmaMemory {
    if (this.#revoked) throw new Revoked(`DMA domain (for ${request.what})`);
    const { bytes, align } = request;
    if (!Number.isInteger(bytes) || bytes <= 0) throw new OutOfRange(`${request.what} cannot have ${bytes} bytes`);
    if (!Number.isInteger(align) || align < 8 || align > MAX_ALIGN || (align & (align - 1)) !== 0)
      throw new OutOfRange(`${request.what} cannot have an alignment of ${align} bytes`);
    const length = Math.ceil(bytes / 8) * 8;
    for (const [i, span] of this.#free.entries()) {
      const start = Math.ceil((this.iova + span.offset) / align) * align - this.iova;
      const end = start + length;
      if (end > span.offset + span.length) continue;
      const rest = [
        { offset: span.offset, length: start - span.offset },
        { offset: end, length: span.offset + span.length - end },
      ].filter((s) => s.length > 0);
      this.#free.splice(i, 1, ...rest);
      this.window.bytes.fill(0, start, end);
      const piece = new Piece(this, request, start, length);
      this.#live.add(piece);
      this.changed();
      return piece;
    }
    throw new DmaExhausted(
      request,
      this.#free.reduce((sum, s) => sum + s.length, 0),
    );
  }

  /** The allocated piece that contains all these bytes of the window; undefined if there is none. */
  pieceAt(offset: number, length: number): DmaMemory | undefined {
    for (const piece of this.#live)
      if (offset >= piece.offset && offset + length <= piece.offset + piece.length) return piece;
    return undefined;
  }

  /** Frees all pieces, because the device is gone or no longer needs them. Afterwards, `allocate` throws `Revoked`. */
  revoke(): void {
    this.#revoked = true;
    for (const piece of this.#live) piece[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.revoke();
  }

  /** @internal called by a piece when it is disposed */
  free(piece: DmaMemory): void {
    if (!this.#live.delete(piece as Piece)) return;
    this.changed();
    const span = { offset: piece.offset, length: piece.length };
    let i = this.#free.findIndex((s) => s.offset > span.offset);
    if (i < 0) i = this.#free.length;
    this.#free.splice(i, 0, span);
    for (let j = Math.max(0, i - 1); j < this.#free.length - 1 && j <= i;) {
      const a = this.#free[j]!;
      const b = this.#free[j + 1]!;
      if (a.offset + a.length === b.offset) {
        a.length += b.length;
        this.#free.splice(j + 1, 1);
      } else j++;
    }
  }
}

class Piece implements DmaMemory {
  readonly iova: BusAddress;
  readonly length: number;
  readonly direction: Direction;
  readonly offset: number;
  readonly #what: string;
  #arena: DmaArena | undefined;
  #bytes: Uint8Array | undefined;
  #words: Int32Array | undefined;

  constructor(arena: DmaArena, request: DmaRequest, offset: number, length: number) {
    this.#arena = arena;
    this.#what = request.what;
    this.direction = request.direction;
    this.offset = offset;
    this.length = length;
    this.iova = addressAt(arena.iova, offset);
    this.#bytes = arena.window.bytes.subarray(offset, offset + length);
    this.#words = arena.window.words.subarray(offset >> 2, (offset + length) >> 2);
  }

  get bytes(): Uint8Array {
    if (this.#bytes === undefined) throw new Revoked(this.#what);
    return this.#bytes;
  }
  get words(): Int32Array {
    if (this.#words === undefined) throw new Revoked(this.#what);
    return this.#words;
  }
  [Symbol.dispose](): void {
    const arena = this.#arena;
    this.#arena = undefined;
    this.#bytes = undefined;
    this.#words = undefined;
    arena?.free(this);
  }
}
