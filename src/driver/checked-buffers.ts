/** Checks the ownership of receive buffers on every burst: for tests, and to find a buffer that is given to the NIC twice. */
import { Misuse } from "#kit/errors.ts";
import { FRAME_OFFSET, FRAME_WORDS, type Link, NO_BUFFER } from "#kit/link.ts";
import type { ReceiveCore } from "./receive-core.ts";

type Calls = Pick<Link, "receive" | "supply" | "transmit">;

/**
 * The same calls, with a check that each receive buffer in the entries is the caller's. Memory that is not the ring's may be sent unchecked.
 * @throws {Misuse} for a receive buffer that the NIC has, or that is in two entries, and from `receive` for an offset at which no buffer
 * starts; then nothing is exchanged
 */
export const checkedBuffers = (
  { receive, supply, transmit }: Calls,
  { burst, pool, free, bufferBytes }: ReceiveCore,
): Calls => {
  /** 1 for each buffer that is in an entry, or that the caller keeps. */
  const out = new Uint8Array(free.length);
  const bufferIn = (entry: number): number => (burst[entry * FRAME_WORDS + FRAME_OFFSET]! - pool.offset) / bufferBytes;

  const take = (entry: number, buffer: number): void => {
    const offset = burst[entry * FRAME_WORDS + FRAME_OFFSET]!;
    if (offset === NO_BUFFER) return;
    if (out[buffer] !== 1) throw new Misuse(`the receive buffer at ${offset}, in entry ${entry}, is not the caller's`);
    out[buffer] = 0;
  };
  /** Afterwards, and also if a check has failed, the buffers in the entries are the caller's. */
  const give = (first: number, end: number): void => {
    for (let entry = first; entry < end; entry++) out[Math.floor(bufferIn(entry))] = 1;
  };

  return {
    receive(first, budget) {
      let taken = first;
      try {
        for (; taken < first + budget; taken++) take(taken, bufferIn(taken));
        return receive(first, budget);
      } finally {
        give(first, taken);
      }
    },
    supply(first, count) {
      const supplied = supply(first, count);
      give(first, first + supplied);
      return supplied;
    },
    transmit(first, count) {
      let taken = first;
      try {
        for (; taken < first + count; taken++) {
          const buffer = Math.floor(bufferIn(taken));
          if (buffer in out) take(taken, buffer);
        }
        return transmit(first, count);
      } finally {
        give(first, taken);
      }
    },
  };
};
