/** Packets as read from a capture file. */
import type { CapturedPacket } from "#wire/captured-packet.ts";
import { Direction } from "#wire/pcapng.ts";

/** A packet captured `micros` microseconds after 100 s; its `length` bytes all hold the low byte of the length. */
export const packet = (micros: number, length = 60, more: Partial<CapturedPacket> = {}): CapturedPacket => ({
  interfaceId: 0,
  interfaceName: "wire",
  linkType: 1,
  direction: Direction.unknown,
  damaged: false,
  timed: true,
  seconds: 100 + Math.floor(micros / 1e6),
  nanoseconds: (((micros % 1e6) + 1e6) % 1e6) * 1000,
  originalLength: length,
  bytes: new Uint8Array(length).fill(length & 255),
  ...more,
});
