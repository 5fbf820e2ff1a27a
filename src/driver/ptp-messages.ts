/**
 * Timestamps of received PTP messages, on chips on which they are in the PHY and not in descriptors. The PHY keeps one
 * timestamp for each type of message.
 */
import { EVENT_MESSAGES } from "#chip/ptp.ts";
import { FRAME_FLAGS, FRAME_LENGTH, FRAME_OFFSET, FRAME_WORDS, type FrameMemory, Received } from "#kit/link.ts";
import { PTP_EVENT_PORT, get16, networkOffset, udpOffset } from "./offload-rules.ts";
import { LATEST } from "./ptp-registers.ts";
import type { ReceiveRing } from "./receive-ring.ts";

const PTP_TYPE = 0x88f7;
const UDP_BYTES = 8;
/** Length in bytes of the header that all messages have in common (IEEE 1588, version 2). */
const HEADER = 34;
const VERSION = 2;

/**
 * Type, 0 to 3, of the event message in the frame of `length` bytes at `frame`; -1 if the frame has no event message.
 */
export const eventMessageOf = (bytes: Uint8Array, frame: number, length: number): number => {
  const network = networkOffset(bytes, frame);
  let at = network;
  if (get16(bytes, frame + network - 2) !== PTP_TYPE) {
    const udp = udpOffset(bytes, frame, length);
    if (udp < 0 || udp + UDP_BYTES > length || get16(bytes, frame + udp + 2) !== PTP_EVENT_PORT) return -1;
    at = udp + UDP_BYTES;
  }
  if (at + HEADER > length || (bytes[frame + at + 1]! & 0xf) !== VERSION) return -1;
  const message = bytes[frame + at]! & 0xf;
  return message < EVENT_MESSAGES ? message : -1;
};

/**
 * Returns the ring with timestamps of received event messages. The PHY keeps only the last timestamp of each type, so
 * if a burst has several messages of a type, only the last one has a timestamp. Messages in several buffers have none.
 * @param stampOf returns the last timestamp of a type of message
 */
export const stamping = (
  ring: ReceiveRing,
  { bytes }: FrameMemory,
  stampOf: (message: number) => bigint | undefined,
): ReceiveRing => {
  const { burst } = ring.core;
  const times = new BigInt64Array(burst.length / FRAME_WORDS);
  return {
    ...ring,
    times,
    receive(first, budget) {
      const entries = ring.receive(first, budget);
      let seen = 0;
      for (let i = first + entries - 1; i >= first; i--) {
        const at = i * FRAME_WORDS;
        const more =
          (burst[at + FRAME_FLAGS]! | (i > first ? burst[at + FRAME_FLAGS - FRAME_WORDS]! : 0)) & Received.more;
        if (more !== 0) continue;
        const message = eventMessageOf(bytes, burst[at + FRAME_OFFSET]!, burst[at + FRAME_LENGTH]!);
        if (message < 0 || (seen & (1 << message)) !== 0) continue;
        seen |= 1 << message;
        const time = stampOf(message);
        if (time === undefined || time > LATEST) continue;
        times[i] = time;
        burst[at + FRAME_FLAGS]! |= Received.stamped;
      }
      return entries;
    },
  };
};
