/** Checks frames as they crossed the wire: their tags and lengths, and every checksum, by computing it again. */
import { dissect, DISSECTION_WORDS, Layer, NETWORK, PROTOCOL, TRANSPORT } from "#wire/dissect.ts";
import { Protocol } from "#wire/ipv4.ts";
import { memoryOf } from "#wire/memory.ts";
import { Direction } from "#wire/pcapng.ts";
import type { CapturedPacket } from "#wire/captured-packet.ts";
import { verify, Verified } from "#wire/verify.ts";

export interface CheckedFrame {
  /** Whether the guest sent the frame; if not, the guest received it. */
  readonly sent: boolean;
  readonly bytes: Uint8Array;
  /** EtherType and control word of each tag. */
  readonly tags: readonly (readonly [etherType: number, control: number])[];
  /** Source port of TCP or UDP; -1 for other protocols. */
  readonly source: number;
  /** Destination port of TCP or UDP; -1 for other protocols. */
  readonly destination: number;
  /** Errors of the frame; empty if there are none. */
  readonly faults: readonly string[];
}

const scratch = new Int32Array(DISSECTION_WORDS);
const get16 = (bytes: Uint8Array, at: number): number => bytes[at]! * 256 + bytes[at + 1]!;

export const checkFrame = ({ bytes, direction }: CapturedPacket): CheckedFrame => {
  const frame = bytes.slice();
  const tags: [number, number][] = [];
  for (let at = 12; at + 4 <= frame.length; at += 4) {
    const type = get16(frame, at);
    if (type !== 0x8100 && type !== 0x88a8) break;
    tags.push([type, get16(frame, at + 2)]);
  }
  const layer = dissect(frame, 0, frame.length, scratch);
  const [protocol, transport, network] = [scratch[PROTOCOL]!, scratch[TRANSPORT]!, scratch[NETWORK]!];
  const ported = layer === Layer.transport && (protocol === Protocol.tcp || protocol === Protocol.udp);
  const found = verify(memoryOf(frame), 0, frame.length);
  const faults: string[] = [];
  // Frames to the guest may be shorter, because the far end's TAP does not pad.
  if (frame.length < 60 && direction === Direction.outbound) faults.push(`the frame has only ${frame.length} bytes`);
  if ((found & Verified.ip) !== 0 && (found & Verified.ipGood) === 0)
    faults.push(`the checksum of the IP header at ${network} is wrong`);
  if ((found & (Verified.tcp | Verified.udp)) !== 0 && (found & Verified.transportGood) === 0)
    faults.push(`the checksum of protocol ${protocol} at ${transport} is wrong`);
  return {
    sent: direction === Direction.outbound,
    bytes: frame,
    tags,
    source: ported ? get16(frame, transport) : -1,
    destination: ported ? get16(frame, transport + 2) : -1,
    faults,
  };
};
