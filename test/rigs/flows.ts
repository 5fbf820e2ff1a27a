/** TCP streams reassembled from a capture file, whatever the segmentation. */
import { parseEthernet } from "#wire/ethernet.ts";

/** One direction of one connection. */
export class Flow {
  /** Sequence number of the first byte seen. */
  readonly #start: number;
  #bytes = new Uint8Array(1 << 20);
  #seen = new Uint8Array(1 << 20);
  constructor(start: number) {
    this.#start = start;
  }
  add(sequence: number, data: Uint8Array): void {
    const at = (sequence - this.#start) >>> 0;
    if (at > 2 ** 31) return;
    while (at + data.length > this.#bytes.length) {
      const [bytes, seen] = [new Uint8Array(this.#bytes.length * 2), new Uint8Array(this.#bytes.length * 2)];
      bytes.set(this.#bytes);
      seen.set(this.#seen);
      this.#bytes = bytes;
      this.#seen = seen;
    }
    this.#bytes.set(data, at);
    this.#seen.fill(1, at, at + data.length);
  }
  get length(): number {
    return this.#seen.reduce((a, b) => a + b, 0);
  }
  /** Number of bytes of this flow that the other flow lacks, or has with another value. */
  missingFrom(other: Flow): number {
    const shift = (this.#start - other.#start) | 0;
    let missing = 0;
    for (let i = 0; i < this.#seen.length; i++) {
      if (this.#seen[i] === 0) continue;
      const j = i + shift;
      if (other.#seen[j] !== 1 || other.#bytes[j] !== this.#bytes[i]) missing++;
    }
    return missing;
  }
}

export interface Capture {
  readonly frames: number;
  readonly longest: number;
  readonly tagged: number;
  readonly flows: ReadonlyMap<string, Flow>;
}

/** Sorts frames into flows; `frames` are whole Ethernet frames. */
export const flowsOf = (frames: Iterable<Uint8Array>): Capture => {
  const flows = new Map<string, Flow>();
  let [count, longest, tagged] = [0, 0, 0];
  for (const frame of frames) {
    count++;
    longest = Math.max(longest, frame.length);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    const type = parseEthernet(frame, 0, frame.length)?.type;
    const tag = type === 0x8100 ? view.getUint16(14) & 0xfff : 0;
    if (tag > 0) tagged++;
    const network = type === 0x8100 ? 18 : 14;
    if (frame.length < network + 40 || view.getUint16(network - 2) !== 0x0800 || frame[network + 9] !== 6) continue;
    const transport = network + (frame[network]! & 15) * 4;
    // A super-frame longer than 64 KiB has an IP length of 0.
    const total = view.getUint16(network + 2) || frame.length - network;
    const data = transport + (frame[transport + 12]! >>> 4) * 4;
    const key = `${tag} ${frame.slice(network + 12, network + 20).join(".")} ${view.getUint32(transport)}`;
    const sequence = view.getUint32(transport + 4);
    const flow = flows.get(key) ?? new Flow(sequence);
    flows.set(key, flow);
    const syn = (frame[transport + 13]! & 2) !== 0 ? 1 : 0;
    flow.add(sequence + syn, frame.subarray(data, network + total));
  }
  return { frames: count, longest, tagged, flows };
};

/** The frames of a classic pcap file that tcpdump has written: microseconds, little endian, no frame truncated. */
export function* framesOfPcap(file: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (view.getUint32(0, true) !== 0xa1b2c3d4) throw new Error("the file is not a capture by tcpdump");
  for (let at = 24; at + 16 <= file.length;) {
    const length = view.getUint32(at + 8, true);
    if (length !== view.getUint32(at + 12, true)) throw new Error("tcpdump truncated a frame");
    yield file.subarray(at + 16, at + 16 + length);
    at += 16 + length;
  }
}
