/** Frames of a capture file made ready to be delivered: which of them can be, and when each is due. */
import type { FrameMemory } from "#kit/link.ts";
import type { CapturedPacket, MalformedCapture } from "#wire/captured-packet.ts";
import { ETHERNET_BYTES } from "#wire/ethernet.ts";
import { newMemory } from "#wire/memory.ts";
import { Direction, LINKTYPE_ETHERNET } from "#wire/pcapng.ts";
import { Schedule } from "./replay-schedule.ts";

/** The longest frame that is replayed, and the room in front of the frames in which the NIC builds its own. */
export const LONGEST = 1 << 16;

/** Why a packet is not replayed, in the order in which it is looked at. */
export const LEFT_OUT = {
  foreign: "not Ethernet",
  sent: "sent by the capturing interface itself",
  damaged: "marked as damaged on the wire",
  unsized: "with an original length of 0",
  cut: "cut short by the capture",
  short: `shorter than ${ETHERNET_BYTES} bytes`,
  long: `longer than ${LONGEST} bytes`,
} as const;
export type LeftOut = keyof typeof LEFT_OUT;

/** Frames and when they come. */
export interface Replay {
  readonly memory: FrameMemory;
  /** Offset and length of each frame. */
  readonly places: Int32Array;
  /** Microseconds after the first, never less than the one before. */
  readonly times: Float64Array;
  /** Packets of the file, with those left out. */
  readonly packets: number;
  /** Packets left out, by why; link types of those that are not Ethernet. */
  readonly left: ReadonlyMap<LeftOut, number>;
  readonly linkTypes: ReadonlySet<number>;
  /** Times in the file that were not followed: pauses made shorter, steps back left out. */
  readonly pauses: number;
  readonly stepsBack: number;
  /** Packets that could not be read; and where nothing behind could be read any more. */
  readonly faults: readonly MalformedCapture[];
  readonly end: MalformedCapture | undefined;
}

/** What reading a file came to. */
export interface CaptureContents {
  readonly packets: readonly CapturedPacket[];
  readonly faults?: readonly MalformedCapture[];
  readonly end?: MalformedCapture | undefined;
}

const whyNot = (packet: CapturedPacket): LeftOut | undefined => {
  const { bytes, originalLength } = packet;
  if (packet.linkType !== LINKTYPE_ETHERNET) return "foreign";
  if (packet.direction === Direction.outbound) return "sent";
  if (packet.damaged) return "damaged";
  if (originalLength === 0) return "unsized";
  if (bytes.length < originalLength) return "cut";
  if (bytes.length < ETHERNET_BYTES) return "short";
  return bytes.length > LONGEST ? "long" : undefined;
};

/** The frames behind an area of `LONGEST` bytes, in which the NIC's own are built. */
export const arrange = ({ packets, faults = [], end }: CaptureContents): Replay => {
  const left = new Map<LeftOut, number>();
  const linkTypes = new Set<number>();
  const kept = packets.filter((packet) => {
    const why = whyNot(packet);
    if (why === undefined) return true;
    left.set(why, (left.get(why) ?? 0) + 1);
    if (why === "foreign") linkTypes.add(packet.linkType);
    return false;
  });
  // Each starts 2 bytes before a word, so that what follows the Ethernet header is aligned.
  const sizes = kept.map(({ bytes }) => (bytes.length + 2 + 7) & ~7);
  const memory = newMemory(sizes.reduce((a, b) => a + b, LONGEST) + 8);
  const places = new Int32Array(2 * kept.length);
  const times = new Float64Array(kept.length);
  const schedule = new Schedule();
  let at = LONGEST;
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
export const SILENCE: Replay = arrange({ packets: [] });
