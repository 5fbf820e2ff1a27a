/** The rings of a NIC: how many descriptors and which buffers, and in which formats. */
import type { Profile } from "#chip/profile.ts";
import type { DmaDomain } from "#kit/dma.ts";
import type { Link } from "#kit/link.ts";
import type { Rings } from "./bring-up.ts";
import { RECEIVE_FORMATS, RECEIVE_HASHED, type ReceiveFormat } from "./descriptor-formats.ts";
import { doorbellOf } from "./doorbell.ts";
import type { Hardware } from "./hardware.ts";
import { transmitRules } from "./offload-rules.ts";
import type { NicOptions } from "./nic-options.ts";
import { type ReceiveRing, createReceiveRing } from "./receive-ring.ts";
import { type TransmitRing, createTransmitRing } from "./transmit-ring.ts";

/** Header with a tag, and the FCS. */
const FRAMING = 14 + 4 + 4;
/** A page: buffers of 16 KiB for the longest jumbo frames would mostly be filled with a few hundred bytes. */
const LARGEST_BUFFER = 4096;

/** A NIC between `up` and `down`, as a `Link`: the rings' own functions, so that a burst costs no second call. */
export type RunningNic = Pick<Link, "memory" | "bufferBytes" | "hashes"> &
  Pick<ReceiveRing, "receive" | "release"> &
  Pick<TransmitRing, "transmit" | "reclaim">;

export interface RingPair {
  readonly receive: ReceiveRing;
  readonly transmit: TransmitRing;
  readonly link: RunningNic;
  /** What the NIC is told of them. */
  readonly layout: Rings;
}

export interface RingSettings {
  readonly mtu: number;
  /** Descriptors in each ring. */
  readonly slots: number;
}

const receiveFormatOf = ({ frames }: Profile, { receiveHash = false }: NicOptions): ReceiveFormat =>
  receiveHash && frames.hashedFormat !== undefined
    ? RECEIVE_HASHED[frames.hashedFormat]
    : RECEIVE_FORMATS[frames.receiveFormat];

/** Allocates both rings on `scope`, empty and ready for the NIC. @throws {DmaExhausted} {OutOfRange} */
export const createRings = (
  dma: DmaDomain,
  scope: DisposableStack,
  hw: Hardware,
  { mtu, slots }: RingSettings,
  options: NicOptions,
): RingPair => {
  const { profile } = hw.chip;
  const { weaklyOrdered } = options;
  const format = receiveFormatOf(profile, options);
  // A tagged frame of the largest size, rounded up.
  const largestFrame = Math.min(format.length + 1, Math.ceil((mtu + FRAMING) / 1024) * 1024);
  const bufferBytes = Math.min(options.largestBuffer ?? LARGEST_BUFFER, largestFrame, format.length & ~7);
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
  const transmit = createTransmitRing(dma, scope, {
    slots,
    doorbell: doorbellOf(hw.io, profile),
    weaklyOrdered,
    ...transmitRules(profile.frames),
  });
  receive.arm();
  transmit.clear();
  const layout = { receive: receive.iova, receiveFormat: format, transmit: transmit.iova, largestFrame, mtu };
  const link: RunningNic = {
    memory: dma.window,
    bufferBytes,
    hashes: receive.hashes,
    receive: receive.receive,
    release: receive.release,
    transmit: transmit.transmit,
    reclaim: transmit.reclaim,
  };
  return { receive, transmit, link, layout };
};
