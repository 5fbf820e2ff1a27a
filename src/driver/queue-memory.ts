/**
 * Records which memory a queue's rings get when they are created. Another thread can create the same rings again in
 * that memory, because rings always allocate the same pieces in the same order.
 */
import { addressAt, type BusAddress, type DmaDomain, type DmaMemory, type DmaRequest } from "#kit/dma.ts";
import { Misuse } from "#kit/errors.ts";
import { type FrameMemory, emptyBurst } from "#kit/link.ts";

/** The recorded memory. The object can be passed to a worker. */
export interface QueueMemory {
  /** Pieces of the DMA window: offset and length in bytes. */
  readonly pieces: readonly { readonly offset: number; readonly length: number }[];
  /** Buffers for positions and counters, which the device cannot access. */
  readonly buffers: readonly SharedArrayBuffer[];
}

/** The sources from which rings get their memory. */
export interface RingMemory {
  readonly dma: DmaDomain;
  /** Memory for positions and counters; zero when it is first used. */
  readonly buffer: (bytes: number) => ArrayBufferLike;
  /** The entries of the queue's link. */
  readonly burst: Int32Array;
}

/** Returns memory for rings that only one thread uses. Nothing is recorded. */
export const privateMemory = (dma: DmaDomain): RingMemory => ({
  dma,
  buffer: (bytes) => new ArrayBuffer(bytes),
  burst: emptyBurst(),
});

/** Returns memory for rings, and records in `memory` what they allocate. */
export const notedMemory = (dma: DmaDomain): RingMemory & { readonly memory: QueueMemory } => {
  const pieces: { offset: number; length: number }[] = [];
  const buffers: SharedArrayBuffer[] = [];
  const allocate = (request: DmaRequest): DmaMemory => {
    const piece = dma.allocate(request);
    pieces.push({ offset: piece.offset, length: piece.length });
    return piece;
  };
  const buffer = (bytes: number): SharedArrayBuffer => {
    const made = new SharedArrayBuffer(bytes);
    buffers.push(made);
    return made;
  };
  const noted = { window: dma.window, iova: dma.iova, allocate };
  return { dma: noted, buffer, burst: emptyBurst(), memory: { pieces, buffers } };
};

/**
 * Returns memory that hands out the recorded pieces again, in the same order. Disposing a piece does not free it,
 * because the thread that recorded it owns it. A request that does not fit the recorded piece throws `Misuse`.
 */
export const sameMemory = (window: FrameMemory, iova: BusAddress, { pieces, buffers }: QueueMemory): RingMemory => {
  let [piece, made] = [0, 0];
  const allocate = ({ what, bytes, direction }: DmaRequest): DmaMemory => {
    const { offset, length } = pieces[piece++] ?? { offset: 0, length: 0 };
    if (length < bytes) throw new Misuse(`${what} needs ${bytes} bytes, but ${length} were recorded`);
    return {
      iova: addressAt(iova, offset),
      length,
      direction,
      offset,
      bytes: window.bytes.subarray(offset, offset + length),
      words: window.words.subarray(offset >> 2, (offset + length) >> 2),
      [Symbol.dispose]() {},
    };
  };
  const buffer = (bytes: number): SharedArrayBuffer => {
    const same = buffers[made++];
    if (same?.byteLength !== bytes)
      throw new Misuse(`a ring needs ${bytes} bytes, but ${same?.byteLength ?? 0} were recorded`);
    return same;
  };
  return { dma: { window, iova, allocate }, buffer, burst: emptyBurst() };
};
