/** Checks the ownership of receive buffers on every burst: for tests, and to find double releases. */
import type { DmaMemory } from "#kit/dma.ts";
import { Misuse } from "#kit/errors.ts";
import { FRAME_WORDS, type Link } from "#kit/link.ts";

type Calls = Pick<Link, "receive" | "release">;

/**
 * Wraps the calls: `release` checks that the caller holds each buffer. It throws {Misuse}, and releases nothing, for an
 * offset at which no buffer starts, or for a buffer that is not held.
 */
export const checkedBuffers = ({ receive, release }: Calls, pool: DmaMemory, bufferBytes: number): Calls => {
  const out = new Uint8Array(pool.length / bufferBytes);
  const take = (offset: number): void => {
    const buffer = (offset - pool.offset) / bufferBytes;
    if (out[buffer] !== 1) throw new Misuse(`the receive buffer at ${offset} was released but is not held`);
    out[buffer] = 0;
  };
  return {
    receive(burst, budget) {
      const count = receive(burst, budget);
      for (let i = 0; i < count; i++) out[(burst[i * FRAME_WORDS]! - pool.offset) / bufferBytes] = 1;
      return count;
    },
    release(offsets, count) {
      let taken = 0;
      try {
        for (; taken < count; taken++) take(offsets[taken]!);
        release(offsets, count);
      } catch (error) {
        // Nothing was released, so the caller still holds these buffers.
        for (let i = 0; i < taken; i++) out[(offsets[i]! - pool.offset) / bufferBytes] = 1;
        throw error;
      }
    },
  };
};
