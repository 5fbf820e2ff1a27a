/** The rings of a NIC: how many descriptors and which buffers, and in which formats. */
import type { Profile } from "#chip/profile.ts";
import type { DmaDomain } from "#kit/dma.ts";
import type { FrameMemory, Link } from "#kit/link.ts";
import type { Rings } from "./bring-up.ts";
import { RECEIVE_FORMATS, RECEIVE_HASHED, type ReceiveFormat } from "./descriptor-formats.ts";
import { doorbellOf } from "./doorbell.ts";
import type { Hardware } from "./hardware.ts";
import { transmitRules } from "./offload-rules.ts";
import { type NicOptions, hashes } from "./nic-options.ts";
import { type ReceiveRing, createReceiveRing } from "./receive-ring.ts";
import { type TransmitRing, createTransmitRing } from "./transmit-ring.ts";

/** Header with a tag, and the FCS. */
const FRAMING = 14 + 4 + 4;
/** A page: buffers of 16 KiB for the longest jumbo frames would mostly be filled with a few hundred bytes. */
const LARGEST_BUFFER = 4096;

/** A queue between `up` and `down`, as a `Link`: the rings' own functions, so that a burst costs no second call. */
export type RunningNic = Pick<Link, "memory" | "bufferBytes" | "hashes"> &
  Pick<ReceiveRing, "receive" | "release"> &
  Pick<TransmitRing, "transmit" | "reclaim"> & {
    /** False for a queue that only receives: `transmit` takes nothing. */
    readonly sends: boolean;
  };

/** A receive queue, and the transmit queue of its number where the chip has one. */
export interface RingPair {
  readonly receive: ReceiveRing;
  readonly transmit: TransmitRing | undefined;
  readonly link: RunningNic;
}

const nothing = (): number => 0;

const pairOf = <T extends TransmitRing | undefined>(memory: FrameMemory, receive: ReceiveRing, transmit: T) => ({
  receive,
  transmit,
  link: {
    memory,
    bufferBytes: receive.core.bufferBytes,
    hashes: receive.hashes,
    receive: receive.receive,
    release: receive.release,
    transmit: transmit?.transmit ?? nothing,
    reclaim: transmit?.reclaim ?? nothing,
    sends: transmit !== undefined,
  },
});

export interface SendingPair extends RingPair {
  readonly transmit: TransmitRing;
}

/** Every queue in use; the first one sends. */
export interface QueueRings {
  readonly pairs: readonly [SendingPair, ...RingPair[]];
  /** What the NIC gets: their addresses and sizes. */
  readonly layout: Rings;
  /** Frees them. */
  readonly memory: DisposableStack;
}

export interface RingSettings {
  readonly mtu: number;
  /** Descriptors in each ring. */
  readonly slots: number;
}

const receiveFormatOf = ({ frames }: Profile, options: NicOptions): ReceiveFormat =>
  hashes(options) && frames.hashedFormat !== undefined
    ? RECEIVE_HASHED[frames.hashedFormat]
    : RECEIVE_FORMATS[frames.receiveFormat];

/** Allocates the rings of every queue, empty and ready for the NIC. @throws {DmaExhausted} {OutOfRange} */
export const createRings = (
  dma: DmaDomain,
  hw: Hardware,
  { mtu, slots }: RingSettings,
  options: NicOptions,
): QueueRings => {
  using scope = new DisposableStack();
  const { profile } = hw.chip;
  const { weaklyOrdered } = options;
  const format = receiveFormatOf(profile, options);
  // A tagged frame of the largest size, rounded up.
  const largestFrame = Math.min(format.length + 1, Math.ceil((mtu + FRAMING) / 1024) * 1024);
  const bufferBytes = Math.min(options.largestBuffer ?? LARGEST_BUFFER, largestFrame, format.length & ~7);
  const createReceiver = (): ReceiveRing => {
    const receive = createReceiveRing(dma, scope, {
      slots,
      bufferBytes,
      spare: options.spareBuffers ?? 2 * slots,
      weaklyOrdered,
      format,
      pieces: Math.ceil(largestFrame / bufferBytes),
      countsLastPiece: profile.frames.countsLastPiece,
      checked: options.checked ?? false,
    });
    receive.arm();
    return receive;
  };
  const createTransmitter = (queue: number): TransmitRing => {
    const doorbell = doorbellOf(hw.io, profile, queue);
    const transmit = createTransmitRing(dma, scope, {
      slots,
      doorbell,
      weaklyOrdered,
      ...transmitRules(profile.frames),
    });
    transmit.clear();
    return transmit;
  };
  const first = pairOf(dma.window, createReceiver(), createTransmitter(0));
  const others = Array.from({ length: hw.queues - 1 }, (_, i) =>
    pairOf(dma.window, createReceiver(), i + 1 < profile.queues.transmit ? createTransmitter(i + 1) : undefined),
  );
  const layout = {
    receive: first.receive.iova,
    transmit: first.transmit.iova,
    others: others.map(({ receive, transmit }) => ({ receive: receive.iova, transmit: transmit?.iova })),
    receiveFormat: format,
    largestFrame,
    mtu,
  };
  return { pairs: [first, ...others], layout, memory: scope.move() };
};
