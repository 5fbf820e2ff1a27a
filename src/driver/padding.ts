/**
 * Padding in software: the end of a frame is sent from a copy followed by zeros, because other data may follow the frame in the caller's
 * memory.
 */
import type { DmaDomain } from "#kit/dma.ts";
import { FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS } from "#kit/link.ts";
import { PADDED_BYTES, type PaddingRule } from "./offload-rules.ts";

export interface Padding extends PaddingRule {
  /**
   * Copies the `length` bytes at `offset` into the copy of `slot`, and adds zeros up to `padded` bytes. Returns the byte offset of the copy.
   */
  readonly copy: (slot: number, offset: number, length: number, padded: number) => number;
  /** The padding that a frame of several fragments needs in bytes: `fragments` of `burst` from `first` on, together shorter than `below`. */
  readonly missing: (burst: Int32Array, first: number, fragments: number, slot: number) => number;
}

/** Allocates one copy per slot on `scope`. */
export const createPadding = (dma: DmaDomain, scope: DisposableStack, slots: number, rule: PaddingRule): Padding => {
  const room = scope.use(
    dma.allocate({ what: "padded frames", bytes: slots * PADDED_BYTES, align: 64, direction: "toDevice" }),
  );
  const { bytes } = dma.window;

  const copy = (slot: number, offset: number, length: number, padded: number): number => {
    const at = room.offset + slot * PADDED_BYTES;
    bytes.copyWithin(at, offset, offset + length);
    bytes.fill(0, at + length, at + padded);
    return at;
  };

  /** Copies the headers together for parsing, because they may be in several fragments. */
  const missing = (burst: Int32Array, first: number, fragments: number, slot: number): number => {
    const frame = room.offset + slot * PADDED_BYTES;
    let length = 0;
    for (let i = first; i < first + fragments; i++) {
      const offset = burst[i * FRAME_WORDS + FRAME_OFFSET]!;
      const bytesHere = burst[i * FRAME_WORDS + FRAME_LENGTH]!;
      bytes.copyWithin(frame + length, offset, offset + bytesHere);
      length += bytesHere;
    }
    return Math.max(0, rule.wanted(bytes, frame, length) - length);
  };
  return { ...rule, copy, missing };
};
