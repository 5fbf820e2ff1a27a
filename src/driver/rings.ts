/** Creates the rings of each queue of a NIC, with the sizes and formats that the chip and the options require. */
import type { Profile } from "#chip/profile.ts";
import type { BusAddress, DmaDomain } from "#kit/dma.ts";
import type { FrameMemory, Link } from "#kit/link.ts";
import type { Mmio } from "#kit/mmio.ts";
import type { Rings } from "./bring-up.ts";
import { checkedBuffers } from "./checked-buffers.ts";
import { RECEIVE_FORMATS, RECEIVE_HASHED, RECEIVE_STAMPED, type ReceiveFormat } from "./descriptor-formats.ts";
import { doorbellOf } from "./doorbell.ts";
import type { Hardware } from "./hardware.ts";
import { transmitRules } from "./offload-rules.ts";
import { LARGEST_BUFFER, type NicOptions, hashes } from "./nic-options.ts";
import type { Ptp } from "./ptp.ts";
import { stamping } from "./ptp-messages.ts";
import { type QueueMemory, type RingMemory, notedMemory, privateMemory, sameMemory } from "./queue-memory.ts";
import { type ReceiveRing, type ReceiveRingOptions, allocateRing, createReceiveRing } from "./receive-ring.ts";
import { type TransmitRing, createTransmitRing } from "./transmit-ring.ts";

/** Bytes of the Ethernet header, a VLAN tag and the FCS. */
const FRAMING = 14 + 4 + 4;

/**
 * The `Link` of a queue, valid until the NIC goes down or its rings are replaced. Without the option `checked`, its
 * functions are the rings' own, which saves a call per burst.
 */
export type RunningNic = Readonly<Link> & {
  /** False for a queue that only receives; its `transmit` accepts no frame. */
  readonly sends: boolean;
};

/** A receive queue, and the transmit queue with the same number if the chip has one. */
export interface RingPair {
  readonly receive: ReceiveRing;
  readonly transmit: TransmitRing | undefined;
  readonly link: RunningNic;
  /** What a thread other than the NIC's needs to poll the queue; undefined if the NIC's thread polls it. */
  readonly lent?: LentQueue;
}

const nothing = (): number => 0;

const pairOf = <T extends TransmitRing | undefined>(
  memory: FrameMemory,
  receive: ReceiveRing,
  transmit: T,
  { checked }: PairSettings,
) => {
  const { core, hashes, times } = receive;
  const ring = transmit ?? { transmit: nothing, sent: nothing };
  const calls = { receive: receive.receive, supply: receive.supply, transmit: ring.transmit };
  const link: RunningNic = {
    memory,
    burst: core.burst,
    bufferBytes: core.bufferBytes,
    hashes,
    times,
    ...(checked ? checkedBuffers(calls, core) : calls),
    sent: ring.sent,
    sends: transmit !== undefined,
  };
  return { receive, transmit, link };
};

export interface SendingPair extends RingPair {
  readonly transmit: TransmitRing;
}

/** The rings of every queue in use. The first queue always has a transmit ring. */
export interface QueueRings {
  readonly pairs: readonly [SendingPair, ...RingPair[]];
  /** The queues that the NIC's own thread polls: with the option `queueThreads` only the first, otherwise all. */
  readonly polled: readonly [SendingPair, ...RingPair[]];
  /** The addresses of the rings, and the settings that must match the rings, for `bringUp`. */
  readonly layout: Rings;
  /** Disposing it frees the rings and their buffers. */
  readonly memory: DisposableStack;
}

export interface RingSettings {
  readonly mtu: number;
  /** Number of descriptors in each ring. */
  readonly slots: number;
}

/** The parameters with which the rings of every queue are created. The object survives structured cloning. */
interface PairSettings extends RingSettings {
  readonly weaklyOrdered: boolean;
  readonly spare: number;
  readonly largestBuffer: number;
  readonly checked: boolean;
  readonly hashed: boolean;
  /** True if descriptors hold the timestamps of received event messages. */
  readonly stamped: boolean;
}

/** What another thread needs to use a queue. The object survives structured cloning. */
export interface LentQueue {
  readonly chip: string;
  readonly queue: number;
  readonly settings: PairSettings;
  readonly memory: QueueMemory;
}

const settingsOf = ({ mtu, slots }: RingSettings, options: NicOptions, { ptp }: Profile): PairSettings => ({
  mtu,
  slots,
  weaklyOrdered: options.weaklyOrdered,
  spare: options.spareBuffers ?? 2 * slots,
  largestBuffer: options.largestBuffer ?? LARGEST_BUFFER,
  checked: options.checked ?? false,
  hashed: hashes(options),
  stamped: options.timestamps === true && ptp === "mac",
});

const receiveFormatOf = (
  { frames }: Profile,
  { hashed, stamped }: Pick<PairSettings, "hashed" | "stamped">,
): ReceiveFormat => {
  if (stamped) return RECEIVE_STAMPED;
  return hashed && frames.hashedFormat !== undefined
    ? RECEIVE_HASHED[frames.hashedFormat]
    : RECEIVE_FORMATS[frames.receiveFormat];
};

/**
 * Length of the largest frame in bytes, with a tag and FCS, rounded up to a multiple of 1024; at most 1 more than a
 * descriptor's length field can hold.
 */
const largestFrameOf = (format: ReceiveFormat, mtu: number): number =>
  Math.min(format.length + 1, Math.ceil((mtu + FRAMING) / 1024) * 1024);

/**
 * Creates a receive ring but does not arm it: if another thread has created the ring before, the NIC may already own
 * its descriptors. @throws {DmaExhausted} {OutOfRange}
 */
const createReceiver = (
  { dma, buffer, burst }: RingMemory,
  scope: DisposableStack,
  profile: Profile,
  settings: PairSettings,
  shared?: ReceiveRingOptions["shared"],
): ReceiveRing => {
  const { mtu, slots, weaklyOrdered, spare, largestBuffer } = settings;
  const format = receiveFormatOf(profile, settings);
  const largestFrame = largestFrameOf(format, mtu);
  const bufferBytes = Math.min(largestBuffer, largestFrame, format.length & ~7);
  const pieces = Math.ceil(largestFrame / bufferBytes);
  const { countsLastPiece } = profile.frames;
  const sizes = { slots, bufferBytes, spare, pieces };
  const place = { burst, buffer, ...(shared && { shared }) };
  return createReceiveRing(dma, scope, { ...sizes, weaklyOrdered, format, countsLastPiece, ...place });
};

const createTransmitter = (
  { dma, buffer, burst }: RingMemory,
  scope: DisposableStack,
  profile: Profile,
  { slots, weaklyOrdered }: PairSettings,
  doorbell: () => void,
): TransmitRing =>
  createTransmitRing(dma, scope, { slots, doorbell, weaklyOrdered, burst, buffer, ...transmitRules(profile.frames) });

/**
 * Allocates the rings of every queue. Afterwards all receive descriptors belong to the NIC, and the transmit rings are
 * empty.
 */
export const createRings = (
  dma: DmaDomain,
  { io, chip, queues }: Hardware,
  { mtu, slots, ptp }: RingSettings & { readonly ptp?: Pick<Ptp, "received"> | undefined },
  options: NicOptions,
): QueueRings => {
  using scope = new DisposableStack();
  const { profile } = chip;
  const settings = settingsOf({ mtu, slots }, options, profile);
  const stampOf = ptp?.received;
  const alternate = queues > 1 && profile.queues.rings === "alternating";
  const { bytes } = receiveFormatOf(profile, settings);
  const common = alternate ? allocateRing(dma, scope, slots, bytes, queues) : undefined;
  const receiver = (memory: RingMemory, queue: number): ReceiveRing => {
    const ring = createReceiver(memory, scope, profile, settings, common && { ring: common, queue, queues });
    ring.arm();
    return stampOf === undefined ? ring : stamping(ring, dma.window, stampOf);
  };
  const transmitter = (memory: RingMemory, queue: number): TransmitRing => {
    const ring = createTransmitter(memory, scope, profile, settings, doorbellOf(io, profile, queue));
    ring.clear();
    return ring;
  };
  const own = privateMemory(dma);
  const first = pairOf(dma.window, receiver(own, 0), transmitter(own, 0), settings);
  const others = Array.from({ length: queues - 1 }, (_, i): RingPair => {
    const queue = i + 1;
    const noted = options.queueThreads === true ? notedMemory(dma) : undefined;
    const memory = noted ?? privateMemory(dma);
    const receive = receiver(memory, queue);
    const transmit = queue < profile.queues.transmit ? transmitter(memory, queue) : undefined;
    const pair = pairOf(dma.window, receive, transmit, settings);
    if (noted === undefined) return pair;
    return { ...unsettling(pair), lent: { chip: chip.key, queue, settings, memory: noted.memory } };
  });
  const pairs = [first, ...others] as const;
  const { format } = first.receive.core;
  const layout = {
    receive: first.receive.iova,
    transmit: first.transmit.iova,
    others: alternate
      ? []
      : others.map(({ receive, transmit }) => ({ receive: receive.iova, transmit: transmit?.iova })),
    receiveFormat: format,
    largestFrame: largestFrameOf(format, mtu),
    mtu,
  };
  return { pairs, polled: options.queueThreads === true ? [first] : pairs, layout, memory: scope.move() };
};

/**
 * Returns the pair with counters that are read without settling them, because another thread uses the pair and settles
 * them.
 */
const unsettling = ({ receive, transmit, link }: RingPair): RingPair => ({
  receive: { ...receive, counters: () => receive.settled },
  transmit: transmit && { ...transmit, counters: () => transmit.settled },
  link,
});

/**
 * Creates the rings of a queue again, over the memory in which another thread created them. Only one of the two threads
 * may use them at a time.
 */
export const sameRings = (
  { queue, settings, memory }: LentQueue,
  profile: Profile,
  { io, window, iova }: { readonly io: Mmio; readonly window: FrameMemory; readonly iova: BusAddress },
): RingPair => {
  const same = sameMemory(window, iova, memory);
  // This scope frees nothing, because the other thread owns the memory.
  const scope = new DisposableStack();
  const receive = createReceiver(same, scope, profile, settings);
  if (queue >= profile.queues.transmit) return pairOf(window, receive, undefined, settings);
  const transmit = createTransmitter(same, scope, profile, settings, doorbellOf(io, profile, queue));
  return pairOf(window, receive, transmit, settings);
};
