/**
 * Turns frames round inside the rings: receive, edit, send, refill in one pass. What Linux calls XDP_TX.
 *
 * The shortest way a frame can take: its buffer goes from the receive slot to the transmit slot, and the buffer that an
 * earlier frame left in that transmit slot refills the receive slot. Nothing is copied, queued or counted twice.
 */
import { ADDRESS_LOW, EndOfRing, FirstSegment, LastSegment, Own, Rx } from "#chip/descriptors.ts";
import { OutOfRange } from "#kit/errors.ts";
import { ReceiveCount, type ReceiveRing } from "./receive-ring.ts";
import { TransmitCount, type TransmitRing } from "./transmit-ring.ts";

// See receive-ring.ts on why imports are taken into constants of the module.
const OWN = Own;
const WHOLE = FirstSegment | LastSegment;
const LENGTH = Rx.length;
const BAD = Rx.watchdog | Rx.errorSummary | Rx.runt | Rx.crcError;
const LOW = ADDRESS_LOW;
const FRAMES = ReceiveCount.frames;
const BYTES = ReceiveCount.bytes;
const ERRORS = ReceiveCount.errors;
const NONSENSE = ReceiveCount.nonsense;
const SENT_FRAMES = TransmitCount.frames;
const SENT_BYTES = TransmitCount.bytes;
const DOORBELLS = TransmitCount.doorbells;
/** EndOfRing is this bit of opts1. */
const END_OF_RING_BIT = Math.log2(EndOfRing);
const SHORTEST = 14;
const FCS = 4;

/** Changes a frame in place: `length` bytes from word `at` of `words`. It must not grow. */
export type Edit = (words: Int32Array, at: number, length: number) => void;

/**
 * Returns a function that turns at most `budget` frames round and says how many it looked at. It stops at the first frame
 * not yet received, and where the NIC has not yet sent what the next transmit slot holds.
 *
 * From now on both rings belong to it, until they are given back; both are as `arm` and `clear` left them. A factory for
 * the same reason as `createReceiveRing`: `edit` becomes part of the loop.
 * @throws {OutOfRange} when the receive ring has fewer spare buffers than the transmit ring has slots
 */
export const createTurnaround = (
  receive: ReceiveRing,
  transmit: TransmitRing,
  options: { readonly edit: Edit; readonly doorbell: () => void; readonly weaklyOrdered: boolean },
): ((budget: number) => number) => {
  const { edit, doorbell, weaklyOrdered } = options;
  const { words, base, mask, held, addressLow, free, bufferBytes } = receive.core;
  const { base: sendBase, mask: sendMask, held: sent } = transmit.core;
  const { counters } = receive;
  const { counters: sendCounters } = transmit;
  const spares = receive.core.state[1]!;
  if (spares <= sendMask)
    throw new OutOfRange(`${spares} spare buffers for ${sendMask + 1} transmit descriptors`, "Use more spare buffers.");
  // Every transmit slot starts with a buffer, as if one had been sent: the loop then always exchanges.
  for (let slot = 0; slot <= sendMask; slot++) sent[slot] = free[spares - 1 - slot]!;
  receive.core.state[1] = spares - sendMask - 1;
  // EndOfRing without a branch: in the last slot the bit above the mask is carried into, and shifted to its place.
  const slots = mask + 1;
  const sendSlots = sendMask + 1;
  const end = END_OF_RING_BIT - Math.log2(slots);
  const sendEnd = END_OF_RING_BIT - Math.log2(sendSlots);
  /** Longest frame, less the shortest: one comparison checks both ends. */
  const span = bufferBytes - FCS - SHORTEST;
  /** [next receive slot, next transmit slot]; long enough to lie off the engine's heap. */
  const state = new Int32Array(32);

  // `| 0` says that an index is an integer: without it the engine checks every sum for overflow.
  return (budget) => {
    let slot = state[0]!;
    let next = state[1]!;
    let turns = budget;
    let bytes = 0;
    let frames = 0;
    let opts1 = Atomics.load(words, base + (slot << 2));
    while (opts1 >= 0 && turns > 0) {
      const at = (base + (slot << 2)) | 0;
      const length = ((opts1 & LENGTH) - FCS) | 0;
      if ((opts1 & (WHOLE | BAD)) === WHOLE && (length - SHORTEST) >>> 0 <= span) {
        const to = (sendBase + (next << 2)) | 0;
        if ((weaklyOrdered ? Atomics.load(words, to) : words[to]!) < 0) break;
        const fresh = sent[next]!;
        const buffer = held[slot]!;
        edit(words, buffer >> 2, length);
        sent[next] = buffer;
        words[(to + LOW) | 0] = (addressLow + buffer) | 0;
        const own = OWN | WHOLE | length | (((next + 1) & sendSlots) << sendEnd);
        if (weaklyOrdered) Atomics.store(words, to, own);
        else words[to] = own;
        held[slot] = fresh;
        words[(at + LOW) | 0] = (addressLow + fresh) | 0;
        next = (next + 1) & sendMask;
        frames = (frames + 1) | 0;
        bytes = (bytes + length) | 0;
      } else counters[(opts1 & BAD) === 0 ? NONSENSE : ERRORS]!++;
      turns = (turns - 1) | 0;
      const back = OWN | bufferBytes | (((slot + 1) & slots) << end);
      if (weaklyOrdered) Atomics.store(words, at, back);
      else words[at] = back;
      slot = (slot + 1) & mask;
      opts1 = weaklyOrdered ? Atomics.load(words, base + (slot << 2)) : words[base + (slot << 2)]!;
    }
    state[0] = slot;
    state[1] = next;
    if (frames > 0) {
      counters[FRAMES]! += frames;
      counters[BYTES]! += bytes;
      sendCounters[SENT_FRAMES]! += frames;
      sendCounters[SENT_BYTES]! += bytes;
      sendCounters[DOORBELLS]!++;
      doorbell();
    }
    return budget - turns;
  };
};
