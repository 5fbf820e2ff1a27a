/**
 * Padding in software. The last fragment of a short frame, which is usually the whole frame, is copied and sent from
 * the copy, with zeros after it. The zeros are not written to the caller's memory, because other data may follow the
 * frame there.
 */
import type { DmaDomain } from "#kit/dma.ts";
import { FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS } from "#kit/link.ts";
import { PADDED_BYTES, type PaddingRule } from "./offload-rules.ts";

export interface Padding extends PaddingRule {
  /**
   * Copies `length` bytes at `offset` to the buffer of `slot`, and adds zeros up to `padded` bytes. Returns the byte
   * offset of the copy.
   */
  readonly copy: (slot: number, offset: number, length: number, padded: number) => number;
  /**
   * Number of bytes of padding that a frame needs. The frame consists of `fragments` entries of `burst`, beginning with
   * `first`, and is shorter than `below`. The buffer of `slot` is overwritten.
   */
  readonly missing: (burst: Int32Array, first: number, fragments: number, slot: number) => number;
}

/** Allocates a buffer for each slot. `scope` frees the buffers. */
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

  /** Copies the fragments to one place for parsing, because the headers may be in several of them. */
  const missing = (burst: Int32Array, first: number, fragments: number, slot: number): number => {
    const frame = room.offset + slot * PADDED_BYTES;
    let length = 0;
    for (let i = first; i < first + fragments; i++) {
      const offset = burst[i * FRAME_WORDS + FRAME_OFFSET]!;
      const bytesHere = burst[i * FRAME_WORDS + FRAME_LENGTH]!;
      bytes.copyWithin(frame + length, offset, offset + bytesHere);
      length += bytesHere;
    }
    return Math.max(0, rule.paddedLength(bytes, frame, length) - length);
  };
  return { ...rule, copy, missing };
};
