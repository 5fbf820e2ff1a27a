/** One pass of a driver on Ferrule's rings, for each load of bench/compare. The counterpart of c/peer.c. */
import { checkedBuffers } from "#driver/checked-buffers.ts";
import { createReceiveRing } from "#driver/receive-ring.ts";
import { createTransmitRing } from "#driver/transmit-ring.ts";
import { createTurnaround } from "#driver/turnaround.ts";
import { DmaArena } from "#kit/dma.ts";
import { emptyBurst, FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS, NO_BUFFER } from "#kit/link.ts";
import { HEADER, type Load, SEQUENCE_WORD, SLOTS, WINDOW_IOVA } from "./layout.ts";

export const KINDS = ["link", "turnaround", "checked"] as const;
export type Kind = (typeof KINDS)[number];

const BUFFER_BYTES = 2048;
const TX_POLL = 0x38;
const NORMAL_QUEUE = 0x40;
// Imported constants are copied to constants of this module, because the engine reads an imported constant from memory
// at every use.
const WORDS = FRAME_WORDS;
const OFFSET = FRAME_OFFSET;
const LENGTH = FRAME_LENGTH;
const NUMBER = SEQUENCE_WORD;
const NONE = NO_BUFFER;
const [HEADER_0, HEADER_1, HEADER_2, HEADER_3] = HEADER;

/** Swaps the two MAC addresses of the frame at word `at`. The second word holds bytes of both. */
export const swapAddresses = (words: Int32Array, at: number): void => {
  const a = words[at]!;
  const b = words[(at + 1) | 0]!;
  const c = words[(at + 2) | 0]!;
  words[at] = (b >>> 16) | (c << 16);
  words[(at + 1) | 0] = (c >>> 16) | (a << 16);
  words[(at + 2) | 0] = (a >>> 16) | (b << 16);
};

/**
 * Indices of the driver's counts and parameters in an array that is long enough to be allocated outside the engine's
 * heap.
 */
export const Account = { number: 0, disorder: 1, bytes: 2, first: 3, waiting: 4 } as const;
const SEQUENCE = Account.number;
const DISORDER = Account.disorder;
const BYTES = Account.bytes;
/** The first entry whose frame is not sent yet, and the number of such entries. */
const FIRST = Account.first;
const WAITING = Account.waiting;

export interface Driver {
  /** Device addresses of the rings. */
  readonly receive: number;
  readonly transmit: number;
  readonly account: Int32Array;
  /** One pass over at most `budget` frames; returns their number. Undefined for a load that the driver does not support. */
  readonly passes: Readonly<Record<Load, ((budget: number) => number) | undefined>>;
  /** Forgets the frames that were built but not sent when the device stopped. */
  settle(): void;
}

/**
 * Creates a driver in `window`, with its doorbell in `registers`. Call this only once per process, so that the engine
 * treats the rings' addresses as constants.
 */
export const createDriver = (
  scope: DisposableStack,
  kind: Kind,
  window: ArrayBuffer,
  registers: Uint8Array,
): Driver => {
  const weaklyOrdered = process.arch !== "x64";
  const arena = scope.use(new DmaArena(window, WINDOW_IOVA));
  const { words } = arena.window;
  const doorbell = (): void => {
    registers[TX_POLL] = NORMAL_QUEUE;
  };
  const burst = emptyBurst();
  // The ring has a spare buffer for each transmit descriptor and for each entry.
  const receiver = createReceiveRing(arena, scope, {
    slots: SLOTS,
    bufferBytes: BUFFER_BYTES,
    spare: 2 * SLOTS,
    weaklyOrdered,
    burst,
  });
  const transmitter = createTransmitRing(arena, scope, { slots: SLOTS, doorbell, weaklyOrdered, burst });
  receiver.arm();
  transmitter.clear();
  const account = new Int32Array(32);
  const rings = { receive: receiver.iova, transmit: transmitter.iova, account };
  if (kind === "turnaround") {
    const forward = createTurnaround(receiver, transmitter, { edit: swapAddresses, doorbell, weaklyOrdered });
    return { ...rings, passes: { forward, drop: undefined, generate: undefined }, settle: () => {} };
  }

  const calls = { ...receiver, transmit: transmitter.transmit };
  const { receive, supply, transmit } = kind === "checked" ? checkedBuffers(calls, receiver.core) : calls;
  /**
   * Sends the frames in `count` entries, beginning with `first`. Frames for which the ring has no room wait for the
   * next pass.
   */
  const send = (first: number, count: number): number => {
    const taken = transmit(first, count);
    account[FIRST] = (first + taken) | 0;
    account[WAITING] = (count - taken) | 0;
    return taken;
  };

  const forward = (budget: number): number => {
    if (account[WAITING] !== 0) return send(account[FIRST]!, account[WAITING]!);
    const count = receive(0, budget);
    if (count === 0) return 0;
    for (let i = 0; i < count; i = (i + 1) | 0) swapAddresses(words, burst[i * WORDS + OFFSET]! >> 2);
    return send(0, count);
  };

  const drop = (budget: number): number => {
    const count = receive(0, budget);
    let next = account[SEQUENCE]!;
    for (let i = 0; i < count; i = (i + 1) | 0) {
      const number = words[((burst[i * WORDS + OFFSET]! >> 2) + NUMBER) | 0]!;
      if (number !== next) account[DISORDER]!++;
      next = (number + 1) | 0;
    }
    account[SEQUENCE] = next;
    return count;
  };

  const generate = (budget: number): number => {
    if (account[WAITING] !== 0) return send(account[FIRST]!, account[WAITING]!);
    const bytes = account[BYTES]!;
    let number = account[SEQUENCE]!;
    for (let i = 0; i < budget; i = (i + 1) | 0) {
      const entry = (i * WORDS) | 0;
      // Until each transmit descriptor has been used once, `transmit` has no buffer to return to the entry, so `supply`
      // adds one.
      if (burst[entry] === NONE) supply(i, 1);
      const at = burst[entry]! >> 2;
      words[at] = HEADER_0;
      words[(at + 1) | 0] = HEADER_1;
      words[(at + 2) | 0] = HEADER_2;
      words[(at + 3) | 0] = HEADER_3;
      words[(at + NUMBER) | 0] = number;
      number = (number + 1) | 0;
      burst[entry + LENGTH] = bytes;
      burst[entry + 2] = 0;
    }
    account[SEQUENCE] = number;
    return send(0, budget);
  };

  const settle = (): void => {
    account[WAITING] = 0;
  };
  return { ...rings, passes: { forward, drop, generate }, settle };
};
