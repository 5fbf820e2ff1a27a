/**
 * Checks the ownership of receive buffers on every burst. Used in tests, and to find code that gives a buffer to the
 * NIC twice.
 */
import { Misuse } from "#kit/errors.ts";
import { FRAME_WORDS, type Link, NO_BUFFER, checkEntries } from "#kit/link.ts";
import type { ReceiveCore } from "./receive-core.ts";

type Calls = Pick<Link, "receive" | "supply" | "transmit">;

// receive-ring.ts explains why imports are bound to constants of the module.
const STRIDE = FRAME_WORDS;

/**
 * Returns the given calls with a check that the caller owns each receive buffer in the entries. Memory outside the
 * ring's buffers may be sent; it is not checked.
 * @throws {Misuse} for a receive buffer that the NIC owns or that is in two entries; from `receive`, also for an offset
 * that is not the start of a buffer. Nothing is exchanged in these cases.
 */
export const checkedBuffers = (
  { receive, supply, transmit }: Calls,
  { burst, pool, free, bufferBytes }: ReceiveCore,
): Calls => {
  /** 1 for each buffer that the caller owns, in an entry or elsewhere. */
  const owned = new Uint8Array(Math.max(128, free.length));
  const start = pool.offset;
  const size = free.length * bufferBytes;

  /** Notes that the caller owns the buffers in the entries `first` to `end` - 1. */
  const give = (first: number, end: number): void => {
    for (let entry = first; entry < end; entry = (entry + 1) | 0) {
      const place = (burst[(entry * STRIDE) | 0]! - start) | 0;
      if (place >>> 0 < size) owned[(place / bufferBytes) | 0] = 1;
    }
  };

  /**
   * Notes that the caller no longer owns the buffers in the entries `first` to `end` - 1, because the NIC may take
   * them.
   * @param max largest permitted distance from the start of a buffer
   */
  const take = (first: number, end: number, max: number): void => {
    for (let entry = first; entry < end; entry = (entry + 1) | 0) {
      const place = (burst[(entry * STRIDE) | 0]! - start) | 0;
      if (place >>> 0 >= size) continue;
      const buffer = (place / bufferBytes) | 0;
      if (owned[buffer] !== 1 || place - buffer * bufferBytes > max) {
        give(first, entry);
        throw new Misuse(`the caller does not own the receive buffer at ${start + place}, in entry ${entry}`);
      }
      owned[buffer] = 0;
    }
  };

  const exchange = (call: Calls["receive"], max: number): Calls["receive"] => {
    return (first, count) => {
      checkEntries(burst, first, count);
      const end = first + count;
      take(first, end, max);
      try {
        return call(first, count);
      } finally {
        give(first, end);
      }
    };
  };
  return {
    receive: exchange(receive, 0),
    supply(first, count) {
      checkEntries(burst, first, count);
      let entry = first;
      for (; entry < first + count; entry++) {
        // An entry that has a buffer keeps it, even if the caller does not own that buffer.
        if (burst[entry * STRIDE] !== NO_BUFFER) continue;
        if (supply(entry, 1) === 0) break;
        give(entry, entry + 1);
      }
      return entry - first;
    },
    transmit: exchange(transmit, bufferBytes),
  };
};
