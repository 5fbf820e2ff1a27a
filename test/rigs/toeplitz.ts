/** Flows with the hashes that Microsoft publishes for them: “Verifying the RSS Hash Calculation”, with the key given there. */
import { ends, payload, tcp } from "./frames.ts";

export interface Flow {
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** The hash of addresses and ports. `addressHash` is the hash of the addresses alone. */
  readonly hash: number;
  readonly addressHash: number;
}

const groups = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
const v6 = (text: string): number[] => {
  const [head = [], tail = []] = text.split("::").map(groups);
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  return [...head, ...zeros, ...tail].flatMap((group) => [group >> 8, group & 0xff]);
};

// prettier-ignore
// oxfmt-ignore
export const FLOWS: readonly Flow[] = [
  { source: [66, 9, 149, 187], sourcePort: 2794, destination: [161, 142, 100, 80], destinationPort: 1766, addressHash: 0x323e8fc2, hash: 0x51ccc178 },
  { source: [199, 92, 111, 2], sourcePort: 14230, destination: [65, 69, 140, 83], destinationPort: 4739, addressHash: 0xd718262a, hash: 0xc626b0ea },
  { source: [24, 19, 198, 95], sourcePort: 12898, destination: [12, 22, 207, 184], destinationPort: 38024, addressHash: 0xd2d0a5de, hash: 0x5c2b394a },
  { source: [38, 27, 205, 30], sourcePort: 48228, destination: [209, 142, 163, 6], destinationPort: 2217, addressHash: 0x82989176, hash: 0xafc7327f },
  { source: [153, 39, 163, 191], sourcePort: 44251, destination: [202, 188, 127, 2], destinationPort: 1303, addressHash: 0x5d1809c5, hash: 0x10e828a2 },
  { source: v6("3ffe:2501:200:1fff::7"), sourcePort: 2794, destination: v6("3ffe:2501:200:3::1"), destinationPort: 1766, addressHash: 0x2cc18cd5, hash: 0x40207d3d },
  { source: v6("3ffe:501:8::260:97ff:fe40:efab"), sourcePort: 14230, destination: v6("ff02::1"), destinationPort: 4739, addressHash: 0x0f0c461c, hash: 0xdde51bbf },
  { source: v6("3ffe:1900:4545:3:200:f8ff:fe21:67cf"), sourcePort: 44251, destination: v6("fe80::200:f8ff:fe21:67cf"), destinationPort: 38024, addressHash: 0x4b61e985, hash: 0x02d1feef },
];

/**
 * A TCP frame of the flow. If it is an IPv4 frame and `fragment` is true, it is marked as the first fragment of a
 * packet, so its ports are not hashed.
 */
export const flowFrame = (flow: Flow, fragment = false): Uint8Array => {
  const isV6 = flow.source.length === 16;
  const frame = tcp(ends({ inbound: true, v6: isV6 }), payload(100));
  const [from, to, transport] = isV6 ? [22, 38, 54] : [26, 30, 34];
  frame.set(flow.source, from);
  frame.set(flow.destination, to);
  const view = new DataView(frame.buffer, frame.byteOffset);
  view.setUint16(transport, flow.sourcePort);
  view.setUint16(transport + 2, flow.destinationPort);
  // Sets "more fragments" in the IPv4 header.
  if (fragment && !isV6) view.setUint16(20, 0x2000);
  return frame;
};
