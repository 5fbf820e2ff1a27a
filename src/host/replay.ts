/**
 * Prepares the frames of a capture file for delivery: selects those that can be delivered, and computes their times.
 */
import type { FrameMemory } from "#kit/link.ts";
import type { CapturedPacket, MalformedCapture } from "#wire/captured-packet.ts";
import { ETHERNET_BYTES } from "#wire/ethernet.ts";
import { newMemory } from "#wire/memory.ts";
import { Direction, LINKTYPE_ETHERNET } from "#wire/pcapng.ts";
import { Schedule } from "./replay-schedule.ts";

/**
 * Maximum length in bytes of a frame that is replayed. Also the size of the area before the frames, in which the NIC
 * builds the frames that it sends.
 */
export const MAX_FRAME = 1 << 16;

/** Reasons why a packet is not replayed, in the order in which they are checked. */
export const SKIP_REASONS = {
  foreign: "not Ethernet",
  sent: "sent by the capturing interface itself",
  damaged: "marked as damaged on the wire",
  unsized: "with an original length of 0",
  cut: "truncated by the capture",
  short: `shorter than ${ETHERNET_BYTES} bytes`,
  long: `longer than ${MAX_FRAME} bytes`,
} as const;
export type SkipReason = keyof typeof SKIP_REASONS;

/** The frames to replay, and their times. */
export interface Replay {
  readonly memory: FrameMemory;
  /** Offset and length of each frame. */
  readonly places: Int32Array;
  /** When each frame is due, in microseconds after the first; never less than the previous value. */
  readonly times: Float64Array;
  /** Number of packets read from the file, including omitted ones. */
  readonly packets: number;
  /** Number of omitted packets by reason. */
  readonly left: ReadonlyMap<SkipReason, number>;
  /** Link types of the omitted packets that are not Ethernet. */
  readonly linkTypes: ReadonlySet<number>;
  /** Number of pauses that were shortened. */
  readonly pauses: number;
  /** Number of steps back in time that were ignored. */
  readonly stepsBack: number;
  /** Errors of single packets that could not be read. */
  readonly faults: readonly MalformedCapture[];
  /** The error after which no more packets could be read, if there was one. */
  readonly end: MalformedCapture | undefined;
}

/** Result of reading a file. */
export interface CaptureContents {
  readonly packets: readonly CapturedPacket[];
  readonly faults?: readonly MalformedCapture[];
  readonly end?: MalformedCapture | undefined;
}

const whyNot = (packet: CapturedPacket): SkipReason | undefined => {
  const { bytes, originalLength } = packet;
  if (packet.linkType !== LINKTYPE_ETHERNET) return "foreign";
  if (packet.direction === Direction.outbound) return "sent";
  if (packet.damaged) return "damaged";
  if (originalLength === 0) return "unsized";
  if (bytes.length < originalLength) return "cut";
  if (bytes.length < ETHERNET_BYTES) return "short";
  return bytes.length > MAX_FRAME ? "long" : undefined;
};

/**
 * Selects the frames that can be delivered. In the memory, they come after an area of `MAX_FRAME` bytes, in which the
 * NIC builds the frames that it sends.
 */
export const buildReplay = ({ packets, faults = [], end }: CaptureContents): Replay => {
  const left = new Map<SkipReason, number>();
  const linkTypes = new Set<number>();
  const kept = packets.filter((packet) => {
    const why = whyNot(packet);
    if (why === undefined) return true;
    left.set(why, (left.get(why) ?? 0) + 1);
    if (why === "foreign") linkTypes.add(packet.linkType);
    return false;
  });
  // Each frame starts 2 bytes before a multiple of 4, so that the bytes after its Ethernet header are aligned.
  const sizes = kept.map(({ bytes }) => (bytes.length + 2 + 7) & ~7);
  const memory = newMemory(sizes.reduce((a, b) => a + b, MAX_FRAME) + 8);
  const places = new Int32Array(2 * kept.length);
  const times = new Float64Array(kept.length);
  const schedule = new Schedule();
  let at = MAX_FRAME;
  for (const [i, packet] of kept.entries()) {
    memory.bytes.set(packet.bytes, at + 2);
    places.set([at + 2, packet.bytes.length], 2 * i);
    times[i] = schedule.next(packet);
    at += sizes[i]!;
  }
  const { pauses, stepsBack } = schedule;
  return { memory, places, times, packets: packets.length, left, linkTypes, pauses, stepsBack, faults, end };
};

/** Nothing to replay: the NIC only sends. */
export const EMPTY_REPLAY: Replay = buildReplay({ packets: [] });
