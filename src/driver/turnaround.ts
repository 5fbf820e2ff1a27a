/**
 * Forwards frames inside the rings: receive, edit, send and refill in one pass, as XDP_TX in Linux.
 *
 * A frame's buffer goes from the receive slot to the transmit slot, and the buffer that an earlier frame left in that transmit slot refills
 * the receive slot. Nothing is copied or queued.
 */
import { ADDRESS_LOW, EndOfRing, FirstSegment, LastSegment, Own } from "#chip/descriptors.ts";
import { storeLow } from "#kit/dma.ts";
import { OutOfRange } from "#kit/errors.ts";
import { MAX_UNSETTLED, ReceiveCount, ReceiveState } from "./receive-core.ts";
import type { ReceiveRing } from "./receive-ring.ts";
import { type TransmitRing, TransmitState } from "./transmit-ring.ts";

// receive-ring.ts explains why imports are bound to constants of the module.
const OWN = Own;
const WHOLE = FirstSegment | LastSegment;
const LOW = ADDRESS_LOW;
const FRAMES = ReceiveState.frames;
const BYTES = ReceiveState.bytes;
const ERRORS = ReceiveCount.errors;
const INVALID = ReceiveCount.nonsense;
const SENT_FRAMES = TransmitState.frames;
const SENT_BYTES = TransmitState.bytes;
const DOORBELLS = TransmitState.doorbells;
const UNSETTLED = MAX_UNSETTLED;
/** The number of the bit EndOfRing in opts1. */
const END_OF_RING_BIT = Math.log2(EndOfRing);
const SHORTEST = 14;
const FCS = 4;
const pointAt = storeLow;

/** Edits a frame in place. The frame has `length` bytes, begins at word `at` of `words`, and keeps its length. */
export type Edit = (words: Int32Array, at: number, length: number) => void;

/**
 * Returns a function that processes at most `budget` receive descriptors, forwards their frames unless they are bad,
 * and returns the number of descriptors processed. The function stops when the NIC has not yet filled the next receive
 * slot, or has not yet sent the frame in the next transmit slot.
 *
 * The rings must be as `arm` and `clear` left them. The function owns both rings until they are armed and cleared
 * again, which restores their original buffers. This is a factory for the same reason as `createReceiveRing`, and so
 * that `edit` becomes part of the loop too.
 * @throws {OutOfRange} if the receive ring has fewer spare buffers than the transmit ring has slots, if frames may take
 * several buffers, if descriptors have a hash, or if software must pad frames
 */
export const createTurnaround = (
  receive: ReceiveRing,
  transmit: TransmitRing,
  options: { readonly edit: Edit; readonly doorbell: () => void; readonly weaklyOrdered: boolean },
): ((budget: number) => number) => {
  const { edit, doorbell, weaklyOrdered } = options;
  const { words, base, mask, held, addressLow, free, bufferBytes, pieces, state: receiveState } = receive.core;
  const { base: sendBase, mask: sendMask } = transmit.core;
  const { length: lengthBits, bad: badBits } = receive.core.format;
  const { state: sendState } = transmit.core;
  const counters = receive.counters();
  if (pieces > 1 || receive.hashes !== undefined)
    throw new OutOfRange("only frames of one buffer and descriptors without a hash can be forwarded", "Use `Link`.");
  const spares = receiveState[ReceiveState.spares]!;
  if (spares <= sendMask)
    throw new OutOfRange(
      `${spares} spare buffers are too few for ${sendMask + 1} transmit descriptors`,
      "Use more spare buffers.",
    );
  if (transmit.pads)
    throw new OutOfRange("this chip's short frames need padding", "Send received frames by `transmit`.");
  // EndOfRing is computed without a branch: for the last slot, adding 1 carries into the bit above the mask, and that
  // bit is shifted to the position of EndOfRing.
  const slots = mask + 1;
  const sendSlots = sendMask + 1;
  const end = END_OF_RING_BIT - Math.log2(slots);
  const sendEnd = END_OF_RING_BIT - Math.log2(sendSlots);
  const settle = (): void => {
    receive.core.settle();
    transmit.core.settle();
  };
  /** The longest frame minus the shortest. One unsigned comparison with it checks both limits. */
  const span = bufferBytes - FCS - SHORTEST;
  /**
   * The buffer of each receive slot, then of each transmit slot. Each transmit slot starts with a spare buffer, as if
   * that buffer had been sent, so the loop always exchanges two buffers. The buffers of both rings are in one array,
   * because the engine checks each array for every frame.
   */
  const buffers = new Int32Array(Math.max(32, slots + sendSlots));
  buffers.set(held.subarray(0, slots));
  buffers.set(free.subarray(spares - sendSlots, spares), slots);
  /** [next receive slot, next transmit slot]. The array is long enough to be allocated outside the engine's heap. */
  const state = new Int32Array(32);

  // `| 0` marks an index as an integer. Without it the engine checks every sum for overflow, and keeps values from Atomics as tagged numbers.
  return (budget) => {
    let slot = state[0]!;
    let opts1 = words[(base + (slot << 2)) | 0]! | 0;
    // If the slot seems empty, its word is read once more through Atomics, because the engine may have reused the word
    // that an earlier pass read.
    if (opts1 < 0 || weaklyOrdered) opts1 = Atomics.load(words, base + (slot << 2)) | 0;
    if (opts1 < 0) return 0;
    let next = state[1]!;
    let turns = budget | 0;
    let bytes = 0;
    let bad = 0;
    while (opts1 >= 0 && turns > 0) {
      const at = (base + (slot << 2)) | 0;
      const length = ((opts1 & lengthBits) - FCS) | 0;
      if ((opts1 & (WHOLE | badBits)) === WHOLE && (length - SHORTEST) >>> 0 <= span) {
        const to = (sendBase + (next << 2)) | 0;
        if ((weaklyOrdered ? Atomics.load(words, to) : words[to]!) < 0) break;
        const buffer = buffers[slot]!;
        edit(words, buffer >> 2, length);
        const fresh = buffers[(slots + next) | 0]!;
        buffers[(slots + next) | 0] = buffer;
        pointAt(words, (to + LOW) | 0, addressLow, buffer);
        const send = OWN | WHOLE | length | (((next + 1) & sendSlots) << sendEnd);
        if (weaklyOrdered) Atomics.store(words, to, send);
        else words[to] = send;
        buffers[slot] = fresh;
        pointAt(words, (at + LOW) | 0, addressLow, fresh);
        next = (next + 1) & sendMask;
        bytes = (bytes + length) | 0;
      } else {
        bad = (bad + 1) | 0;
        counters[(opts1 & badBits) === 0 ? INVALID : ERRORS]!++;
      }
      turns = (turns - 1) | 0;
      const post = OWN | bufferBytes | (((slot + 1) & slots) << end);
      if (weaklyOrdered) Atomics.store(words, at, post);
      else words[at] = post;
      slot = (slot + 1) & mask;
      opts1 = (weaklyOrdered ? Atomics.load(words, base + (slot << 2)) : words[(base + (slot << 2)) | 0]!) | 0;
    }
    state[0] = slot;
    state[1] = next;
    const frames = (budget - turns - bad) | 0;
    if (frames > 0) {
      receiveState[FRAMES] = (receiveState[FRAMES]! + frames) | 0;
      receiveState[BYTES] = (receiveState[BYTES]! + bytes) | 0;
      sendState[SENT_FRAMES] = (sendState[SENT_FRAMES]! + frames) | 0;
      sendState[SENT_BYTES] = (sendState[SENT_BYTES]! + bytes) | 0;
      sendState[DOORBELLS] = (sendState[DOORBELLS]! + 1) | 0;
      if ((receiveState[BYTES] | sendState[SENT_BYTES]) > UNSETTLED) settle();
      doorbell();
    }
    return budget - turns;
  };
};
