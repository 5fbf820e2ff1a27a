/** One pass of a driver on Ferrule's rings, for each load of bench/compare. The counterpart of c/peer.c. */
import { createReceiveRing } from "#driver/receive-ring.ts";
import { createTransmitRing } from "#driver/transmit-ring.ts";
import { createTurnaround } from "#driver/turnaround.ts";
import { DmaArena } from "#kit/dma.ts";
import { FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS } from "#kit/link.ts";
import { HEADER, type Load, SEQUENCE_WORD, SLOTS, WINDOW_IOVA } from "./layout.ts";

export const KINDS = ["link", "turnaround", "checked"] as const;
export type Kind = (typeof KINDS)[number];

const BUFFER_BYTES = 2048;
const TX_POLL = 0x38;
const NORMAL_QUEUE = 0x40;
// Bound to constants of this module, because the engine loads imported ones at every use.
const WORDS = FRAME_WORDS;
const OFFSET = FRAME_OFFSET;
const LENGTH = FRAME_LENGTH;
const NUMBER = SEQUENCE_WORD;
const [HEADER_0, HEADER_1, HEADER_2, HEADER_3] = HEADER;

/** Swaps the two MAC addresses of the frame at word `at`. One word holds bytes of both. */
export const swapAddresses = (words: Int32Array, at: number): void => {
  const a = words[at]!;
  const b = words[(at + 1) | 0]!;
  const c = words[(at + 2) | 0]!;
  words[at] = (b >>> 16) | (c << 16);
  words[(at + 1) | 0] = (c >>> 16) | (a << 16);
  words[(at + 2) | 0] = (a >>> 16) | (b << 16);
};

/** The driver's own counts and parameters. Long enough to be allocated outside the engine's heap. */
export const Account = { number: 0, disorder: 1, bytes: 2 } as const;
const SEQUENCE = Account.number;
const DISORDER = Account.disorder;
const BYTES = Account.bytes;

export interface Driver {
  /** Device addresses of the rings. */
  readonly receive: number;
  readonly transmit: number;
  readonly account: Int32Array;
  /** One pass over at most `budget` frames; returns their number. Undefined for a load that the driver does not support. */
  readonly passes: Readonly<Record<Load, ((budget: number) => number) | undefined>>;
  /** Reclaims the frames sent under `load`, once the device has sent all of them. */
  settle(load: Load): void;
}

/**
 * Creates a driver in `window`, with its doorbell in `registers`. To be called once per process: the engine then treats the rings' addresses
 * as constants.
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
  const receiver = createReceiveRing(arena, scope, {
    slots: SLOTS,
    bufferBytes: BUFFER_BYTES,
    spare: SLOTS,
    weaklyOrdered,
    checked: kind === "checked",
  });
  const transmitter = createTransmitRing(arena, scope, { slots: SLOTS, doorbell, weaklyOrdered });
  receiver.arm();
  transmitter.clear();
  const account = new Int32Array(32);
  const rings = { receive: receiver.iova, transmit: transmitter.iova, account };
  if (kind === "turnaround") {
    const forward = createTurnaround(receiver, transmitter, { edit: swapAddresses, doorbell, weaklyOrdered });
    return { ...rings, passes: { forward, drop: undefined, generate: undefined }, settle: () => {} };
  }

  const { receive, release } = receiver;
  const { transmit, reclaim } = transmitter;
  const burst = new Int32Array(SLOTS * FRAME_WORDS);
  const offsets = new Int32Array(SLOTS);
  const forward = (budget: number): number => {
    release(offsets, reclaim(offsets, budget));
    const count = receive(burst, budget);
    for (let i = 0; i < count; i = (i + 1) | 0) swapAddresses(words, burst[i * WORDS + OFFSET]! >> 2);
    return transmit(burst, count);
  };

  const drop = (budget: number): number => {
    const count = receive(burst, budget);
    let next = account[SEQUENCE]!;
    for (let i = 0; i < count; i = (i + 1) | 0) {
      const offset = burst[i * WORDS + OFFSET]!;
      const number = words[((offset >> 2) + NUMBER) | 0]!;
      if (number !== next) account[DISORDER]!++;
      next = (number + 1) | 0;
      offsets[i] = offset;
    }
    account[SEQUENCE] = next;
    release(offsets, count);
    return count;
  };

  /** The stack of free send buffers. */
  const own = arena.allocate({ what: "send buffers", bytes: SLOTS * BUFFER_BYTES, align: 64, direction: "toDevice" });
  const free = Int32Array.from({ length: SLOTS }, (_, i) => own.offset + i * BUFFER_BYTES);
  let height = SLOTS;
  const reclaimOwn = (budget: number): void => {
    const count = reclaim(offsets, budget);
    for (let i = 0; i < count; i = (i + 1) | 0) free[(height + i) | 0] = offsets[i]!;
    height = (height + count) | 0;
  };
  const generate = (budget: number): number => {
    reclaimOwn(budget);
    const count = Math.min(budget, height) | 0;
    const bytes = account[BYTES]!;
    let number = account[SEQUENCE]!;
    for (let i = 0; i < count; i = (i + 1) | 0) {
      const offset = free[(height - 1 - i) | 0]!;
      const at = offset >> 2;
      words[at] = HEADER_0;
      words[(at + 1) | 0] = HEADER_1;
      words[(at + 2) | 0] = HEADER_2;
      words[(at + 3) | 0] = HEADER_3;
      words[(at + NUMBER) | 0] = number;
      number = (number + 1) | 0;
      const entry = (i * WORDS) | 0;
      burst[entry + OFFSET] = offset;
      burst[entry + LENGTH] = bytes;
      burst[entry + 2] = 0;
      burst[entry + 3] = 0;
    }
    height = (height - count) | 0;
    account[SEQUENCE] = number;
    return transmit(burst, count);
  };

  const settle = (load: Load): void => {
    if (load === "generate") reclaimOwn(SLOTS);
    else release(offsets, reclaim(offsets, SLOTS));
  };
  return { ...rings, passes: { forward, drop, generate }, settle };
};
