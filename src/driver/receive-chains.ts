/**
 * The rare cases of the receive ring's loop: frames in several buffers or with a timestamp, entries without a buffer,
 * damaged frames, and invalid descriptors. Also stores the hash of every frame in formats that have one.
 */
import { RxTagTaken } from "#chip/descriptors.ts";
import { OutOfRange } from "#kit/errors.ts";
import { FRAME_WORDS, NO_BUFFER, Received, checkEntries } from "#kit/link.ts";
import { LATEST, timeFrom } from "./ptp-registers.ts";
import { FCS_BYTES, type ReceiveCore, ReceiveCount, ReceiveState, MIN_RECEIVED } from "./receive-core.ts";

export interface Chains {
  /**
   * Processes the frame in the ring's next slot, which the NIC has returned, and advances the ring. The burst may use
   * the words `begin` to `end` - 1 of the entries, and the frame those from `from` on. Returns the number of entries; 0
   * if the frame was counted and dropped; or a negative number if the frame must wait, because the NIC is still writing
   * the frame, the frame does not fit the burst, or there are too few spare buffers.
   * @throws {OutOfRange} if the first frame of a burst does not fit the burst, or one of its entries has memory outside
   * the receive buffers
   */
  readonly slowPath: (begin: number, from: number, end: number) => number;
  /** Same as `Link.supply`. */
  readonly supply: (first: number, count: number) => number;
  /** True if `slowPath` or the ring's loop can process the next slot. */
  readonly waiting: () => boolean;
  /** The hash of each entry; undefined in formats without a hash. */
  readonly hashes: Int32Array | undefined;
  /** The timestamp of each entry in nanoseconds; undefined in formats without timestamps. */
  readonly times: BigInt64Array | undefined;
  /**
   * Stores the hash of the descriptor whose word with the OWN bit is at `at`, for the entry at word `out`. Returns
   * `Received` bits; 0 if the frame has no hash or the NIC has not written it yet.
   */
  readonly noteHash: (at: number, out: number) => number;
}

const HASHED = Received.hashed | Received.hashedPorts;
/** Result of `slowPath`: the frame must wait. */
const LATER = -1;

export const createChains = (
  core: ReceiveCore,
  parts: {
    readonly counters: Float64Array;
    /** Gives a slot to the NIC. */
    readonly post: (slot: number) => void;
    readonly countsLastPiece: boolean;
  },
): Chains => {
  const { words, base, mask, held, pool, free, burst, state, bufferBytes, format, step, pieces: most } = core;
  const { counters, post, countsLastPiece } = parts;
  const { first, last, bad, kindMask, watchdog, damaged, hash: places, stamp } = format;
  const { followed = 0 } = stamp ?? {};
  const times = stamp && new BigInt64Array(burst.length / FRAME_WORDS);
  const own = base + format.opts1;
  const load = (slot: number): number => Atomics.load(words, own + ((slot & mask) << step));

  const drop = (slot: number, pieces: number, seen: number): number => {
    for (let i = 0; i < pieces; i++) post((slot + i) & mask);
    counters[(seen & bad) === 0 ? ReceiveCount.nonsense : ReceiveCount.errors]!++;
    state[ReceiveState.slot] = (slot + pieces) & mask;
    return 0;
  };

  /**
   * True if a frame is dropped because it is bad: damaged frames were not requested, or its length is unreliable, or it
   * has neither a wrong FCS nor is a runt. Any of the frame's descriptors may show the error.
   */
  const isRefused = (seen: number): boolean =>
    (seen & bad) !== 0 && (state[ReceiveState.damaged] === 0 || (seen & watchdog) !== 0 || (seen & damaged) === 0);

  const flagsOf = (at: number, seen: number, out: number): number => {
    if ((seen & bad) !== 0) return Received.damaged;
    const opts2 = words[at + format.opts2 - format.opts1]!;
    const word = format.verdictInOpts2 ? opts2 : words[at]!;
    const verdict = format.verdicts[(word >>> format.verdictShift) & format.verdictMask]!;
    return verdict | ((opts2 & RxTagTaken) === 0 ? 0 : Received.tagged) | noteHash(at, out);
  };

  /**
   * Hands out `length` bytes from the buffers of `pieces` slots, beginning with `slot`. A buffer with nothing but FCS
   * stays in its slot.
   */
  const handOut = (from: number, slot: number, pieces: number, length: number, seen: number): number => {
    const at = own + (((slot + pieces - 1) & mask) << step);
    const flags = flagsOf(at, seen, from);
    const opts2 = words[at + format.opts2 - format.opts1]!;
    const tag = (flags & Received.tagged) === 0 ? 0 : ((opts2 & 0xff) << 8) | ((opts2 & 0xff00) >>> 8);
    let out = from;
    for (let left = length, i = slot; left > 0; left -= bufferBytes, i++) {
      const fresh = burst[out]!;
      burst[out] = held[i & mask]!;
      held[i & mask] = fresh;
      burst[out + 1] = Math.min(left, bufferBytes);
      burst[out + 2] = flags | (left > bufferBytes ? Received.more : 0);
      burst[out + 3] = tag;
      if (hashes !== undefined) hashes[out >> 2] = (flags & HASHED) === 0 ? 0 : hashes[from >> 2]!;
      out += FRAME_WORDS;
    }
    for (let i = 0; i < pieces; i++) post((slot + i) & mask);
    state[ReceiveState.slot] = (slot + pieces) & mask;
    counters[ReceiveCount.frames]!++;
    counters[ReceiveCount.bytes]! += length;
    if ((seen & bad) !== 0) counters[ReceiveCount.errors]!++;
    return (out - from) / FRAME_WORDS;
  };

  /** Like `handOut`, for a frame with a timestamp in the descriptor that follows the frame. */
  const handOutStamped: typeof handOut = (from, slot, pieces, length, seen) => {
    const next = (slot + pieces) & mask;
    const start = base + (next << step);
    const { nanoseconds, seconds, secondsHigh } = stamp!;
    const time = timeFrom(words[start + nanoseconds]!, words[start + seconds]!, words[start + secondsHigh]!);
    const entries = handOut(from, slot, pieces, length, seen);
    const end = time > LATEST ? from : from + entries * FRAME_WORDS;
    for (let at = from; at < end; at += FRAME_WORDS) {
      burst[at + 2]! |= Received.stamped;
      times![at >> 2] = time;
    }
    post(next);
    state[ReceiveState.slot] = (next + 1) & mask;
    return entries;
  };

  const supply = (first: number, count: number): number => {
    checkEntries(burst, first, count);
    for (let entry = first; entry < first + count; entry++) {
      if (burst[entry * FRAME_WORDS] !== NO_BUFFER) continue;
      if (state[ReceiveState.spares] === 0) return entry - first;
      burst[entry * FRAME_WORDS] = free[--state[ReceiveState.spares]!]!;
    }
    return count;
  };

  /**
   * Supplies buffers to entries that have none. Returns true if each entry of the frame has a receive buffer
   * afterwards.
   * @throws {OutOfRange} for memory outside the receive buffers, in the first frame of a burst
   */
  const haveBuffers = (begin: number, from: number, entries: number): boolean => {
    let missing = 0;
    for (let at = from; at < from + entries * FRAME_WORDS; at += FRAME_WORDS) {
      const place = burst[at]! - pool.offset;
      if (place >= 0 && place <= pool.length - bufferBytes) continue;
      if (burst[at] === NO_BUFFER) missing++;
      else if (from > begin) return false;
      else
        throw new OutOfRange(`entry ${at / FRAME_WORDS} has ${burst[at]}, which is outside the receive ring's memory`);
    }
    return missing <= state[ReceiveState.spares]! && supply(from / FRAME_WORDS, entries) === entries;
  };

  const slowPath = (begin: number, from: number, end: number): number => {
    const slot = state[ReceiveState.slot]!;
    let word = load(slot);
    let seen = word;
    if ((word & first) === 0) return drop(slot, 1, seen);
    let pieces = 1;
    for (; (word & last) === 0; pieces++) {
      if (pieces === most) return drop(slot, pieces, seen);
      word = load(slot + pieces);
      if (word < 0) return LATER;
      // The next frame has started although this one has not ended.
      if ((word & first) !== 0) return drop(slot, pieces, seen);
      seen |= word;
    }
    const before = (pieces - 1) * bufferBytes;
    const stored = (word & format.length) + (countsLastPiece ? before : 0);
    const length = stored - FCS_BYTES + state[ReceiveState.keptFcs]!;
    const kind = seen & kindMask;
    const stamped = stamp !== undefined && kind === followed;
    const after = stamped ? load(slot + pieces) : 0;
    if (after < 0) return LATER;
    const belongs = stamped ? (after & kindMask) === stamp.stamp : kind === 0;
    const fits = stored > before && stored <= before + bufferBytes && length >= MIN_RECEIVED;
    if (!fits || !belongs || isRefused(seen)) return drop(slot, stamped ? pieces + 1 : pieces, seen);
    const entries = Math.ceil(length / bufferBytes);
    const fitsBurst = from + entries * FRAME_WORDS <= end;
    if (!fitsBurst && from === begin)
      throw new OutOfRange(
        `a frame of ${entries} buffers does not fit a burst of ${(end - begin) / FRAME_WORDS}`,
        "Use a larger burst.",
      );
    if (!fitsBurst || !haveBuffers(begin, from, entries)) return LATER;
    return (stamped ? handOutStamped : handOut)(from, slot, pieces, length, seen);
  };

  const waiting = (): boolean => {
    const slot = state[ReceiveState.slot]!;
    for (let i = 0; i < most; i++) {
      const word = load(slot + i);
      if (word < 0) return false;
      if (stamp !== undefined && (word & last) !== 0 && (word & kindMask) === followed) return load(slot + i + 1) >= 0;
      if ((word & last) !== 0 || ((word & first) !== 0) !== (i === 0)) return true;
    }
    return true;
  };

  const hashes = places === undefined ? undefined : new Int32Array(burst.length / FRAME_WORDS);
  const toHash = (places?.hash ?? 0) - format.opts1;
  const toHeader = (places?.header ?? 0) - format.opts1;
  const { addresses = 0, ports = 0, late = false } = places ?? {};
  const noteHash = (at: number, out: number): number => {
    if (hashes === undefined) return 0;
    const header = words[at + toHeader]!;
    const flags =
      ((header & addresses) === 0 ? 0 : Received.hashed) | ((header & ports) === 0 ? 0 : Received.hashedPorts);
    const hash = flags === 0 ? 0 : words[at + toHash]!;
    hashes[out >> 2] = hash;
    if (!late) return flags;
    words[at + toHash] = 0;
    return hash === 0 ? 0 : flags;
  };

  return { slowPath, supply, waiting, hashes, times, noteHash };
};
