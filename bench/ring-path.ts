/**
 * Ferrule's own rings in a forwarding loop, with a device that runs outside the timed part. This is the counterpart of
 * c/ring.c.
 */
import { DESCRIPTOR_WORDS, EndOfRing, FirstSegment, LastSegment, OPTS1, Own } from "#chip/descriptors.ts";
import { checkedBuffers } from "#driver/checked-buffers.ts";
import { createReceiveRing } from "#driver/receive-ring.ts";
import { createTransmitRing } from "#driver/transmit-ring.ts";
import { createTurnaround } from "#driver/turnaround.ts";
import { DmaArena } from "#kit/dma.ts";
import { emptyBurst, FRAME_OFFSET, FRAME_WORDS } from "#kit/link.ts";

export const SLOTS = 256;
const BUFFER_BYTES = 2048;
/** Number of spare buffers: one for each transmit descriptor, and one for each entry. */
const SPARE = 2 * SLOTS;
const FRAME_BYTES = 64;
const FCS = 4;
const IOVA = 0x1000_0000;
/** TxPoll, and the bit for work in the normal-priority queue. */
const TX_POLL = 0x38;
const NORMAL_QUEUE = 0x40;
// Imported constants are copied to constants of this module, because the engine reads an imported constant from memory
// at every use.
const WORDS = FRAME_WORDS;
const OFFSET = FRAME_OFFSET;

/** A driver and its device. */
export interface RingPath {
  /** The timed part: reads up to `budget` frames, swaps their MAC addresses, sends them, refills. Returns their number. */
  forward(budget: number): number;
  /** The device, not timed: completes all sent frames, and fills every posted receive buffer with a frame of 64 bytes. */
  device(): void;
  /** True when every buffer still holds its two MAC addresses, in either order, and nothing was dropped. */
  intact(): boolean;
}

/** Swaps the two MAC addresses of the frame at word `at`. The second word holds bytes of both. */
const swapAddresses = (words: Int32Array, at: number): void => {
  const a = words[at]!;
  const b = words[(at + 1) | 0]!;
  const c = words[(at + 2) | 0]!;
  words[at] = (b >>> 16) | (c << 16);
  words[(at + 1) | 0] = (c >>> 16) | (a << 16);
  words[(at + 2) | 0] = (a >>> 16) | (b << 16);
};

/** The paths that frames can take: inside the rings, or in bursts through the calls of `Link`. */
export const PATHS = ["turnaround", "link"] as const;
export type PathKind = (typeof PATHS)[number];
/** `checked` is `link` with a check of each exchanged buffer. */
export const KINDS = [...PATHS, "checked"] as const;

/**
 * Creates the path on `scope`. When measuring, call this only once per process, so that the engine treats the rings'
 * addresses as constants.
 */
export const createRingPath = (
  scope: DisposableStack,
  kind: (typeof KINDS)[number],
  weaklyOrdered = process.arch !== "x64",
): RingPath => {
  const arena = scope.use(new DmaArena(new SharedArrayBuffer(2 ** 22), IOVA));
  const { words, bytes } = arena.window;
  const registers = new Uint8Array(new SharedArrayBuffer(4096));
  const burst = emptyBurst();
  const receiver = createReceiveRing(arena, scope, {
    slots: SLOTS,
    bufferBytes: BUFFER_BYTES,
    spare: SPARE,
    weaklyOrdered,
    burst,
  });
  const doorbell = (): void => {
    registers[TX_POLL] = NORMAL_QUEUE;
  };
  const transmitter = createTransmitRing(arena, scope, { slots: SLOTS, doorbell, weaklyOrdered, burst });
  receiver.arm();
  transmitter.clear();

  const calls = { ...receiver, transmit: transmitter.transmit };
  const { receive, transmit } = kind === "checked" ? checkedBuffers(calls, receiver.core) : calls;
  /**
   * A pass through the calls of `Link`. The device has sent all frames before the next pass, so `transmit` accepts
   * every frame.
   */
  const overLink = (budget: number): number => {
    const count = receive(0, budget);
    for (let i = 0; i < count; i = (i + 1) | 0) swapAddresses(words, burst[i * WORDS + OFFSET]! >> 2);
    return transmit(0, count);
  };
  const forward =
    kind === "turnaround"
      ? createTurnaround(receiver, transmitter, { edit: swapAddresses, doorbell, weaklyOrdered })
      : overLink;

  const rxBase = (receiver.iova - IOVA) >> 2;
  const txBase = (transmitter.iova - IOVA) >> 2;
  const device = (): void => {
    for (let slot = 0; slot < SLOTS; slot++) {
      const at = slot * DESCRIPTOR_WORDS + OPTS1;
      words[txBase + at]! &= ~Own;
      words[rxBase + at] = FirstSegment | LastSegment | (slot === SLOTS - 1 ? EndOfRing : 0) | (FRAME_BYTES + FCS);
    }
  };

  const buffers = pool(words, rxBase);
  for (const at of buffers) for (let i = 0; i < FRAME_BYTES; i++) bytes[at + i] = i < 6 ? 0xd0 + i : 0x50 + i;
  const holds = (at: number, first: number): boolean => {
    for (let i = 0; i < 6; i++) if (bytes[at + i] !== first + i) return false;
    return true;
  };
  const intact = (): boolean =>
    buffers.every((at) => (holds(at, 0xd0) ? holds(at + 6, 0x56) : holds(at, 0x56) && holds(at + 6, 0xd0))) &&
    receiver.counters()[2] === 0 &&
    receiver.counters()[3] === 0;
  return { forward, device, intact };
};

/**
 * Byte offsets of the ring's buffers and of the spare ones. All of them are contiguous; the first is the buffer in the
 * first slot.
 */
const pool = (words: Int32Array, rxBase: number): number[] => {
  const first = words[rxBase + 2]! - IOVA;
  return Array.from({ length: SLOTS + SPARE }, (_, i) => first + i * BUFFER_BYTES);
};
